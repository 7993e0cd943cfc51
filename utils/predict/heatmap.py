"""Where on an image a network sees objects, and how sure it is: before thresholds, before NMS.

Each candidate is a hill over its box, whose top, at the centre, is as high as its score; where hills meet,
the highest counts. So each top is a score that the network gave. The hills are those of CenterNet's targets
(Zhou et al., "Objects as Points", 2019): Gaussians with a standard deviation of a sixth of the side.
"""

import cv2
import numpy as np
from torch import Tensor

from utils.images.letterbox import Letterbox

MOST_HILLS = 500  # the best candidates; the others are theirs again, or too faint to be seen
FAINT = 0.01  # the score below which a candidate is not drawn
SIGMAS = 3.0  # standard deviations from the centre to the edge of the box, where the hill ends at 1 %
COLOURS = cv2.COLORMAP_INFERNO  # equal steps look equal, to the colour-blind too
SEEN = 0.75  # share of the map's colour where the score is 1; none where it is 0
ROWS = 256  # of an image that are blended at a time, to save memory


def heat_of(boxes: Tensor, scores: Tensor, letterbox: Letterbox) -> np.ndarray:
    """The map of one image, uint8 [H, W] in its own pixels: 255 is a score of 1.

    boxes   [A, 4] xyxy in pixels of the network input
    scores  [A] of those classes that matter

    It is as fine as the network's input, and brought to the image by the inverse of its letterbox.
    """
    best, order = scores.float().topk(min(MOST_HILLS, len(scores)))
    order = order[best >= FAINT]
    placed = boxes[order].float().cpu().numpy() - [letterbox.left, letterbox.top] * 2
    heat = np.zeros(letterbox.resized, np.float32)
    for box, score in zip(placed, best.tolist(), strict=False):  # best has the faint ones behind
        _raise_hill(heat, box, score)
    height, width = letterbox.source
    fine = np.rint(255 * heat).astype(np.uint8)
    grown: np.ndarray = cv2.resize(fine, (width, height), interpolation=cv2.INTER_LINEAR)
    return grown


def _raise_hill(heat: np.ndarray, box: np.ndarray, score: float) -> None:
    """The map at least as high as the hill of a box xyxy; pixel (0, 0) lies at (0.5, 0.5)."""
    columns, gains_x = _slope(box[0], box[2], heat.shape[1])
    rows, gains_y = _slope(box[1], box[3], heat.shape[0])
    part = heat[rows, columns]
    np.maximum(part, score * gains_y[:, None] * gains_x, out=part)


def _slope(low: float, high: float, length: int) -> tuple[slice, np.ndarray]:
    """The pixels between two coordinates, or the one in the middle, and each one's share of the top."""
    centre = min(max((low + high) / 2, 0.0), length - 0.001)
    start = max(0, min(int(np.floor(low)), int(centre)))
    end = min(length, max(int(np.ceil(high)), int(centre) + 1))
    sigma = max((high - low) / 2 / SIGMAS, 0.5)
    away = (np.arange(start, end) + 0.5 - centre) / sigma
    return slice(start, end), np.exp(-0.5 * away**2).astype(np.float32)


def draw_heat(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """The RGB uint8 image [H, W, 3] in grey under the colours of its map, uint8 [H, W]."""
    blended = np.empty_like(image)
    for row in range(0, len(image), ROWS):
        rows = slice(row, row + ROWS)
        grey = cv2.cvtColor(image[rows], cv2.COLOR_RGB2GRAY)[..., None]
        colours = cv2.applyColorMap(heat[rows], COLOURS)[..., ::-1]
        share = SEEN * np.sqrt(heat[rows, :, None].astype(np.float32) / 255)
        blended[rows] = (grey * (1 - share) + colours * share).round()
    return blended
