"""Ground truth and detections of the evaluation tests as COCO files, written without the code under test."""

import json
from pathlib import Path

from utils.data.detections import Detections
from utils.evaluate.ground_truth import GroundTruth


def coco_dicts(truth: GroundTruth, detections: list[Detections]) -> tuple[dict, list[dict]]:
    """Ids with gaps, and images in another order than that of their ids."""
    images = [{"id": 7 + 3 * row, "file_name": f"photos/{row}.jpg"} for row in range(truth.num_images)]
    boxes = truth.boxes.copy()
    boxes[:, 2:] -= boxes[:, :2]
    content = {
        "images": images[::-1],
        "categories": [{"id": 5 * k + 2, "name": name} for k, name in enumerate(truth.class_names)][::-1],
        "annotations": [
            {
                "id": row + 1,
                "image_id": 7 + 3 * int(truth.image_numbers[row]),
                "category_id": 5 * int(truth.labels[row]) + 2,
                "bbox": boxes[row].tolist(),
                "area": float(truth.areas[row]),
                "iscrowd": int(truth.crowd[row]),
                "difficult": int(truth.difficult[row]),
            }
            for row in range(len(boxes))
        ],
    }
    results = [
        {
            "image_id": 7 + 3 * image,
            "category_id": 5 * int(label) + 2,
            "bbox": [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()],
            "score": float(score),
        }
        for image, here in enumerate(detections)
        for box, score, label in zip(here.boxes, here.scores, here.labels, strict=True)
    ]
    return content, results


def write_json(path: Path, content: object, **options: object) -> Path:
    path.write_text(json.dumps(content, **options), encoding="utf-8")
    return path
