"""Heat maps: where on an image a network sees objects, and with which score, before thresholds and NMS.

Each candidate is a Gaussian over its box, with its score as the peak at the centre. Where Gaussians overlap,
the maximum is taken, so that every peak is a score of the network. The standard deviation is a sixth of the
box side, as in the targets of CenterNet (Zhou et al., "Objects as Points", 2019).
"""

import cv2
import numpy as np
from torch import Tensor

from utils.data.types import Image
from utils.images.letterbox import Letterbox

Heatmap = np.ndarray  # uint8 [H, W] in pixels of the image; 255 is a score of 1

MAX_CANDIDATES = 500  # the highest-scoring; others repeat them, or are too faint to be seen
FAINT = 0.01  # score below which a candidate is not drawn
SIGMAS = 3.0  # standard deviations from the centre to the edge of the box, where the Gaussian is at 1 %
COLOUR_MAP = cv2.COLORMAP_INFERNO  # equal steps look equal, to the colour-blind too
OPACITY = 0.75  # opacity of the colour map at score 1; it is 0 at score 0
ROWS = 256  # rows of an image blended at a time, to save memory


def heatmap_of(boxes: Tensor, scores: Tensor, letterbox: Letterbox) -> Heatmap:
    """Return the heat map of one image.

    boxes   [A, 4] xyxy in pixels of the network input
    scores  [A], highest over the classes of interest

    Computed at the resolution of the network input, then scaled to the image by the inverse letterbox.
    """
    best, order = scores.float().topk(min(MAX_CANDIDATES, len(scores)))
    order = order[best >= FAINT]
    placed = boxes[order].float().cpu().numpy() - [letterbox.left, letterbox.top] * 2
    heat = np.zeros(letterbox.resized, np.float32)
    for box, score in zip(placed, best.tolist(), strict=False):  # the faint ones are last in `best`
        _add_gaussian(heat, box, score)
    height, width = letterbox.source
    fine = np.rint(255 * heat).astype(np.uint8)
    grown: Heatmap = cv2.resize(fine, (width, height), interpolation=cv2.INTER_LINEAR)
    return grown


def _add_gaussian(heat: np.ndarray, box: np.ndarray, score: float) -> None:
    """Set the map to its maximum with the Gaussian of a box xyxy; pixel (0, 0) lies at (0.5, 0.5)."""
    columns, gains_x = _profile(box[0], box[2], heat.shape[1])
    rows, gains_y = _profile(box[1], box[3], heat.shape[0])
    part = heat[rows, columns]
    np.maximum(part, score * gains_y[:, None] * gains_x, out=part)


def _profile(low: float, high: float, length: int) -> tuple[slice, np.ndarray]:
    """Return the pixels between two coordinates, at least the middle one, and the Gaussian's values there."""
    centre = min(max((low + high) / 2, 0.0), length - 0.001)
    start = max(0, min(int(np.floor(low)), int(centre)))
    end = min(length, max(int(np.ceil(high)), int(centre) + 1))
    sigma = max((high - low) / 2 / SIGMAS, 0.5)
    away = (np.arange(start, end) + 0.5 - centre) / sigma
    return slice(start, end), np.exp(-0.5 * away**2).astype(np.float32)


def draw_heatmap(image: Image, heatmap: Heatmap) -> Image:
    """Return the image in grey, blended with the colours of its heat map."""
    blended = np.empty_like(image)
    for row in range(0, len(image), ROWS):
        rows = slice(row, row + ROWS)
        grey = cv2.cvtColor(image[rows], cv2.COLOR_RGB2GRAY)[..., None]
        colours = cv2.applyColorMap(heatmap[rows], COLOUR_MAP)[..., ::-1]
        opacity = OPACITY * np.sqrt(heatmap[rows, :, None].astype(np.float32) / 255)
        blended[rows] = (grey * (1 - opacity) + colours * opacity).round()
    return blended
