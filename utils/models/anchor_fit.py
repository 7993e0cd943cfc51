"""Whether a model's anchors suit a data set, in words: a line for the log of a training, and advice."""

import numpy as np

from nets import Preset
from utils.data.index import DatasetIndex
from utils.models.anchor_kmeans import FACTOR, Fit, anchor_fit, box_sizes, to_array
from utils.models.choose import anchors_of

POOR_RECALL, POOR_IOU = 0.95, 0.5  # below one of them, better anchors are worth a thought
# Gains from which other anchors are worth it. The mean IoU counts from scratch alone: fine-tuning yolov3_tiny
# on BCCD (320 x 320, 10 epochs), anchors with .86 in place of .63 reached mAP50-95 .463 in place of .483.
GAIN_RECALL, GAIN_IOU = 0.02, 0.05
# Of ssdlite320 on BCCD, where 7.2 % are platelets of 25 x 27 pixels beside boxes of 83: it found none of 69.
FEW_SMALL = 0.01
IMAGES = 2000  # a training looks at so many images, evenly over the data set, for its line


def fit_line(train: DatasetIndex, model: Preset, image_size: tuple[int, int]) -> str:
    """How the model's anchors fit the training data, for the log; empty if there is nothing to say."""
    if not (model.has_anchors or model.smallest_box):
        return ""
    sizes = box_sizes(train, image_size, IMAGES)
    if len(sizes) == 0:
        return ""
    if not model.has_anchors:
        return _small_boxes_line(sizes, model, image_size)
    fit = anchor_fit(sizes, to_array(anchors_of(model)))
    hint = ". That is poor: kmeans_anchors.py finds better ones, for the same data, model and image size"
    return f"anchors: {fit_text(fit)}{hint if is_poor(fit) else ''}"


def _small_boxes_line(sizes: np.ndarray, model: Preset, image_size: tuple[int, int]) -> str:
    """How many boxes are too small for the default boxes of a model whose boxes grow with the input."""
    height, width = (model.smallest_box * side for side in image_size)
    share = float((sizes < (width / 2, height / 2)).all(axis=1).mean())
    if share < FEW_SMALL:
        return ""
    return (
        f"{100 * share:.1f} % of the boxes are less than half as large as the smallest default box of "
        f"{model.name}, {width:.0f} x {height:.0f} pixels, and will hardly be found. A larger input does not "
        "help: choose another model"
    )


def is_poor(fit: Fit) -> bool:
    """Whether boxes are so unlike the anchors that others should be tried."""
    return fit.recall < POOR_RECALL or fit.mean_iou < POOR_IOU


def fit_text(fit: Fit) -> str:
    """The figures of a fit."""
    share = f"{100 * fit.recall:.1f} % of the boxes have an anchor within a factor of {FACTOR:g}"
    return f"{share}, mean IoU {fit.mean_iou:.3f}"


def advice(before: Fit, after: Fit) -> str:
    """Whether to give up anchors that fit as `before` for others that fit as `after`."""
    recall, mean_iou = after.recall - before.recall, after.mean_iou - before.mean_iou
    gain = f"recall {100 * recall:+.1f} points, mean IoU {mean_iou:+.3f}"
    if recall >= GAIN_RECALL:
        return (
            f"Use the new anchors ({gain}), from pretrained weights too: fewer boxes are more than "
            f"{FACTOR:g} times as long or as short as the nearest anchor"
        )
    if mean_iou >= GAIN_IOU:
        return (
            f"Use the new anchors to train from scratch ({gain}). With pretrained weights keep the model's "
            f"own, which they are trained for, while the recall gains less than {100 * GAIN_RECALL:g} points"
        )
    return (
        f"Keep the model's own anchors ({gain}): less than {100 * GAIN_RECALL:g} points of recall and "
        f"{GAIN_IOU:g} of mean IoU are not worth a change"
    )
