"""What a detector found on one image: the one type that prediction, drawing, saving and evaluation share."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from utils.data.boxes import xyxy_to_xywh


@dataclass(frozen=True)
class Detections:
    """Boxes found on one image, best score first.

    boxes   float32 [N, 4], xyxy in pixels of the original image
    scores  float32 [N], between 0 and 1, falling
    labels  int64 [N], 0-based class numbers
    best_score, best_label  the best candidate before the confidence threshold, to explain an empty
        result; -1 where there was no candidate at all
    candidates  how many boxes the network proposed before the threshold
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    best_score: float = -1.0
    best_label: int = -1
    candidates: int = 0

    def __len__(self) -> int:
        return len(self.scores)

    def above(self, confidence: float | Sequence[float]) -> "Detections":
        """Those with at least this score, or with at least that of their class."""
        least = np.asarray(confidence, self.scores.dtype)
        keep = self.scores >= (least[self.labels] if least.ndim else least)
        return replace(self, boxes=self.boxes[keep], scores=self.scores[keep], labels=self.labels[keep])

    def with_labels(self, labels: Sequence[int]) -> "Detections":
        """The same with label k replaced by `labels[k]`."""
        best = labels[self.best_label] if self.best_label >= 0 else -1
        return replace(self, labels=np.asarray(labels, np.int64)[self.labels], best_label=best)

    def to_coco(self, image_id: int, category_ids: Sequence[int] | None = None) -> list[dict[str, Any]]:
        """Entries of a COCO result file: image_id, category_id, bbox (x, y, width, height) and score.

        category_ids  COCO's number of each class; by default 1, 2, 3, ...
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

    def to_supervision(self, class_names: Sequence[str]) -> Any:
        """The same as `supervision.Detections`, with the class names in their data.

        ValueError where the package supervision (https://supervision.roboflow.com, MIT) is not installed.
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
        """Nothing found."""
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
