"""The detections in one image, a type shared by prediction, drawing, saving and evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.data.boxes import xyxy_to_xywh
from utils.data.types import Boxes, Labels

if TYPE_CHECKING:
    import supervision


@dataclass(frozen=True)
class Detections:
    """The objects detected in one image, highest score first.

    boxes   float32 [N, 4], xyxy in pixels of the original image
    scores  float32 [N], between 0 and 1, descending
    labels  int64 [N], 0-based class indices
    best_score, best_label  score and class of the best candidate before the confidence threshold, to explain
        an empty result; -1 if there was no candidate
    candidates  number of boxes predicted by the network before the confidence threshold
    limited  whether objects may be left out because there were more than `max_detections`
    """

    boxes: Boxes
    scores: np.ndarray
    labels: Labels
    best_score: float = -1.0
    best_label: int = -1
    candidates: int = 0
    limited: bool = False

    def __len__(self) -> int:
        return len(self.scores)

    def above(self, confidence: float | Sequence[float]) -> "Detections":
        """Return the detections that reach the confidence threshold, or the threshold of their class."""
        threshold = np.asarray(confidence, self.scores.dtype)
        keep = self.scores >= (threshold[self.labels] if threshold.ndim else threshold)
        return replace(self, boxes=self.boxes[keep], scores=self.scores[keep], labels=self.labels[keep])

    def with_labels(self, labels: Sequence[int]) -> "Detections":
        """Return the detections with each label k replaced by `labels[k]`."""
        best = labels[self.best_label] if self.best_label >= 0 else -1
        return replace(self, labels=np.asarray(labels, np.int64)[self.labels], best_label=best)

    def to_coco(self, image_id: int, category_ids: Sequence[int] | None = None) -> list[dict[str, Any]]:
        """Return entries of a COCO results file: image_id, category_id, bbox (x, y, width, height), score.

        category_ids  category id of each class; default: 1, 2, 3, ...
        """
        bboxes = xyxy_to_xywh(self.boxes)
        return [
            {
                "image_id": image_id,
                "category_id": label + 1 if category_ids is None else category_ids[label],
                "bbox": bbox,
                "score": score,
            }
            for bbox, score, label in zip(
                bboxes.tolist(), self.scores.tolist(), self.labels.tolist(), strict=True
            )
        ]

    def to_supervision(self, class_names: Sequence[str]) -> "supervision.Detections":
        """Return the detections as `supervision.Detections`, with class names in `data`.

        Raises `ValueError` if supervision (https://supervision.roboflow.com, MIT) is not installed.
        """
        try:
            import supervision
        except ModuleNotFoundError:
            raise ValueError("supervision is not installed: pip install supervision") from None
        names = np.array([class_names[label] for label in self.labels], dtype=object)
        return supervision.Detections(
            xyxy=self.boxes.copy(),
            confidence=self.scores.copy(),
            class_id=self.labels.copy(),
            data={"class_name": names.astype(str)},
        )

    @staticmethod
    def empty() -> "Detections":
        """Return an empty result."""
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
