"""The part of an exported file that is the network: pictures in, candidates before NMS out."""

from torch import Tensor, nn

from nets.detector import Detector
from nets.faster_rcnn import FasterRCNN

INPUT = "images"
CANDIDATES = ("candidate_boxes", "candidate_scores")  # what our own backends fetch


class Network(nn.Module):
    """A detector as one function, with nothing that differs between training and use."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 RGB [B, 3, H, W] -> boxes [B, A, 4] xyxy in pixels of the input, scores [B, A, C].

        The steps of `Detector.detect`, without its switch of autocast, which graphs have no place for.
        """
        boxes, scores = self.detector.decode(self.detector(images))
        return boxes, scores


def check_exportable(detector: Detector, model_name: str, dynamic: bool) -> None:
    """ValueError that says why, for detectors whose work is no fixed graph."""
    if isinstance(detector, FasterRCNN):
        raise ValueError(
            f"{model_name} cannot be exported: how many boxes its second stage looks at differs from picture "
            "to picture, which the exporter has no graph for; train fcos, retinanet or a YOLO instead"
        )
    if dynamic and lays_anchors_by_size(detector):
        raise ValueError(
            f"--dynamic: {model_name} lays its anchors for one size of pictures, and the exporter writes them "
            "down as numbers; leave --dynamic out, and export a file for each size"
        )


def lays_anchors_by_size(detector: Detector) -> bool:
    """Whether the head computes its anchors from the input's size, as torchvision's do."""
    return hasattr(detector.head, "lay_anchors")
