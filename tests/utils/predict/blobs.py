"""A detector that finds rectangles of pure colours exactly, wherever and however large: no network."""

import cv2
import numpy as np
import torch

from nets.common.preprocess import PixelFormat
from nets.common.structures import Candidates
from utils.inference.detect import DetectSettings
from utils.predict.predictor import Predictor
from utils.predict.trained_detector import TrainedDetector

NAMES = ("red", "green", "blue")
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))


class Blobs:
    """Class k is what is bright in channel k alone, and more than 4 pixels wide and high. The score is .9.

    inputs  the shapes of the batches that came
    """

    stride = 32
    device = torch.device("cpu")

    def __init__(self, pad_centred=False):
        self.pixels = PixelFormat(pad_centred=pad_centred)
        self.inputs = []

    def eval(self):
        return self

    def accepts(self, size):
        return all(side % self.stride == 0 for side in size)

    def detect(self, images):
        self.inputs.append(tuple(images.shape))
        found = [self.rectangles(image.permute(1, 2, 0).numpy().astype(int)) for image in images]
        boxes = torch.zeros(len(images), max(1, *map(len, found)), 4)
        scores = torch.zeros(*boxes.shape[:2], len(NAMES))
        for image, rectangles in enumerate(found):
            for k, (label, box) in enumerate(rectangles):
                boxes[image, k] = torch.tensor(box, dtype=torch.float32)
                scores[image, k, label] = 0.9
        return Candidates(boxes, scores)

    @staticmethod
    def rectangles(image):
        found = []
        for label in range(len(NAMES)):
            others = np.delete(image, label, axis=2).max(axis=2)
            bright = ((image[..., label] > 127) & (others < 100)).astype(np.uint8)
            _, _, stats, _ = cv2.connectedComponentsWithStats(bright)
            rows = stats[1:].tolist()
            found += [(label, (x, y, x + w, y + h)) for x, y, w, h, _ in rows if min(w, h) > 4]
        return found


def blob_predictor(image_size=(128, 128), pad_centred=False, confidence=0.3, nms_iou=0.3):
    """A Predictor around `Blobs`."""
    predictor = object.__new__(Predictor)
    predictor.device = torch.device("cpu")
    predictor.model = TrainedDetector(Blobs(pad_centred), "yolox_nano", NAMES, image_size)
    predictor.class_names = NAMES
    predictor.confidences = (confidence,) * len(NAMES)
    predictor.wanted = [0, 1, 2]
    predictor.settings = DetectSettings(confidence, nms_iou)
    return predictor


def blob_image(height, width, *rectangles):
    """Grey, with rectangles (label, left, top, right, bottom)."""
    image = np.full((height, width, 3), 114, np.uint8)
    for label, left, top, right, bottom in rectangles:
        image[top:bottom, left:right] = COLOURS[label]
    return image


def as_rectangles(detections):
    """(label, left, top, right, bottom) of each, sorted, in whole pixels."""
    boxes = detections.boxes.round().astype(int).tolist()
    return sorted((int(label), *box) for label, box in zip(detections.labels, boxes, strict=True))
