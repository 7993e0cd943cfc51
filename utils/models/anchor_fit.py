"""Reports how well a model's anchors fit a data set: a line for the training log, and advice."""

import numpy as np

from nets import Preset
from utils.data.index import DatasetIndex
from utils.data.types import Size
from utils.models.anchor_kmeans import FACTOR, AnchorFit, anchor_fit, box_sizes, to_array
from utils.models.choose import anchors_of

POOR_RECALL, POOR_IOU = 0.95, 0.5  # below either, the training log suggests other anchors
# Minimum gains for which new anchors are recommended. Mean IoU only matters when training from scratch:
# fine-tuning yolov3_tiny on BCCD (320 x 320, 10 epochs) with anchors of mean IoU .86 instead of .63 lowered
# mAP50-95 from .483 to .463.
MIN_GAIN_RECALL, MIN_GAIN_IOU = 0.02, 0.05
# Minimum fraction of boxes too small for the default boxes that is reported. On BCCD, 7.2 % of the boxes are
# platelets of 25 x 27 pixels; ssdlite320, whose smallest default box is 83 pixels wide, detected none of 69.
MIN_SMALL_FRACTION = 0.01
MAX_IMAGES_MEASURED = 2000  # for the training log; evenly spread over the data set


def fit_line(train: DatasetIndex, model: Preset, image_size: Size) -> str:
    """Return a log line on how the model's anchors or default boxes fit the training data; may be empty."""
    if not (model.has_anchors or model.smallest_box):
        return ""
    sizes = box_sizes(train, image_size, MAX_IMAGES_MEASURED)
    if len(sizes) == 0:
        return ""
    if not model.has_anchors:
        return _small_boxes_line(sizes, model, image_size)
    fit = anchor_fit(sizes, to_array(anchors_of(model)))
    hint = ". Poor fit: kmeans_anchors.py finds better ones, for the same data, model and image size"
    return f"anchors: {fit_text(fit)}{hint if is_poor(fit) else ''}"


def _small_boxes_line(sizes: np.ndarray, model: Preset, image_size: Size) -> str:
    """Return a log line on boxes too small for default boxes that scale with the input; empty if few."""
    height, width = (model.smallest_box * side for side in image_size)
    fraction = float((sizes < (width / 2, height / 2)).all(axis=1).mean())
    if fraction < MIN_SMALL_FRACTION:
        return ""
    return (
        f"{100 * fraction:.1f} % of the boxes are less than half as large as the smallest default box of "
        f"{model.name}, {width:.0f} x {height:.0f} pixels, and will hardly be detected. A larger input does "
        "not help: choose another model"
    )


def is_poor(fit: AnchorFit) -> bool:
    """Return whether the fit is so poor that other anchors should be tried."""
    return fit.recall < POOR_RECALL or fit.mean_iou < POOR_IOU


def fit_text(fit: AnchorFit) -> str:
    """Return recall and mean IoU of a fit as text."""
    recall = f"{100 * fit.recall:.1f} % of the boxes have an anchor within a factor of {FACTOR:g}"
    return f"{recall}, mean IoU {fit.mean_iou:.3f}"


def advice(before: AnchorFit, after: AnchorFit) -> str:
    """Return as text whether to replace anchors of fit `before` by anchors of fit `after`, and why."""
    recall, mean_iou = after.recall - before.recall, after.mean_iou - before.mean_iou
    gain = f"recall {100 * recall:+.1f} points, mean IoU {mean_iou:+.3f}"
    if recall >= MIN_GAIN_RECALL:
        return (
            f"Use the new anchors ({gain}), also with pretrained weights: fewer boxes differ by more than a "
            f"factor of {FACTOR:g} from the nearest anchor"
        )
    if mean_iou >= MIN_GAIN_IOU:
        return (
            f"Use the new anchors to train from scratch ({gain}). With pretrained weights, keep the model's "
            f"own, which they were trained with, unless recall gains {100 * MIN_GAIN_RECALL:g} points"
        )
    return (
        f"Keep the model's own anchors ({gain}): less than {100 * MIN_GAIN_RECALL:g} points of recall and "
        f"{MIN_GAIN_IOU:g} of mean IoU is not worth a change"
    )
