"""Small videos whose frames carry their number, and what stands for a network."""

import cv2
import numpy as np

from utils.data.detections import Detections

HEIGHT, WIDTH = 96, 160
BITS, CELL = 10, 16  # a frame's number is in its upper row of cells, white for 1


def numbered(number, height=HEIGHT, width=WIDTH):
    """A frame that shows its number, in cells that any encoder keeps."""
    frame = np.full((height, width, 3), (90, 120, 60), np.uint8)
    for bit in range(BITS):
        frame[:CELL, bit * CELL : (bit + 1) * CELL] = 255 * (number >> bit & 1)
    return frame


def number_of(frame):
    cells = frame[4 : CELL - 4].reshape(CELL - 8, -1, 3)[:, : BITS * CELL]
    means = cells.reshape(CELL - 8, BITS, CELL, 3)[:, :, 4:-4].mean((0, 2, 3))
    assert ((means < 60) | (means > 200)).all(), "the cells cannot be read"
    return sum(1 << bit for bit, mean in enumerate(means) if mean > 128)


def write_video(path, frames, rate=12.0, codec="MJPG"):
    """By OpenCV; `frames` is a number of them, or RGB images."""
    images = [numbered(k) for k in range(frames)] if isinstance(frames, int) else frames
    height, width = images[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate, (width, height))
    for image in images:
        writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def frames_of(path):
    """(frames a second, RGB frames) of a video, by OpenCV."""
    capture = cv2.VideoCapture(str(path))
    rate, frames = capture.get(cv2.CAP_PROP_FPS), []
    while (read := capture.read())[0]:
        frames.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB))
    return rate, frames


def numbers_in(path):
    return [number_of(frame) for frame in frames_of(path)[1]]


def detections(boxes, labels=None, scores=None):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    number = len(boxes)
    return Detections(
        boxes,
        np.array(scores if scores is not None else [0.9] * number, np.float32),
        np.array(labels if labels is not None else [0] * number, np.int64),
    )


class Finder:
    """Stands for a predictor: finds one box on each frame, further right on later ones; keeps what it saw."""

    class_names = ("thing", "other")

    def __init__(self, act=lambda number: None):
        self.batches = []
        self.act = act  # called with the number of each frame before it is detected on

    @property
    def seen(self):
        return [number for batch in self.batches for number in batch]

    def detect(self, images, watch=None):
        numbers = [number_of(image) for image in images]
        for number in numbers:
            self.act(number)
        self.batches.append(numbers)
        return [detections([[20 + number % 50, 50, 60 + number % 50, 80]]) for number in numbers]
