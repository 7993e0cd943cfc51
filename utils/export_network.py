"""The part of an exported file that is the network: pictures in, candidates before NMS out."""

from torch import Tensor, nn

from nets.detector import Detector

INPUT = "images"
CANDIDATES = ("candidate_boxes", "candidate_scores")  # what our own backends fetch


class Network(nn.Module):
    """A detector as one function, with nothing that differs between training and use."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 RGB [B, 3, H, W] -> boxes [B, A, 4] xyxy in pixels of the input, scores [B, A, C].

        The steps of `Detector.detect`, without its switch of autocast, which graphs have no place for. Whole
        numbers end at the first step: TensorRT can do nothing else with them.
        """
        boxes, scores = self.detector.decode(self.detector(images.float()))
        return boxes, scores
