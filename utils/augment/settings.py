"""What may be varied in a training image, and how strongly.

Where it happens: the plan of a sample in `mosaic`, pixels into their place in `tiles`, what lies over the
finished image in `overlay`, colours and mirroring in `variation`, the input's size in `loader`.
"""

from dataclasses import dataclass

FRACTIONS = (
    *("mosaic", "mixup", "translate", "flip", "hue", "saturation", "brightness"),
    *("copy_paste", "cut_out", "min_visibility"),
)


@dataclass(frozen=True)
class Augmentation:
    """What is varied in training, each with its own switch. `NO_AUGMENTATION` has all of them off.

    mosaic      probability that four images make one sample
    mixup       probability that a mosaic is blended half and half with another image
    scale       smallest and largest zoom, on top of fitting the image to the input
    translate   largest shift, as a fraction of the input's size
    flip        probability that a sample is mirrored left to right
    hue         largest shift of the hue, as a fraction of the colour circle
    saturation  largest relative change of the saturation
    brightness  largest relative change of the brightness
    rotation    largest turn of an image either way, in degrees
    shear       largest lean of an image's sides either way, in degrees
    copy_paste  probability that objects of other samples of the batch are pasted into a sample
    cut_out     probability that a rectangle of a sample is covered
    multi_scale largest relative change of the input's sides from batch to batch
    min_visibility  boxes of which less than this fraction of their area is left are dropped
    min_size    boxes narrower or lower than this many pixels of the input are dropped
    """

    mosaic: float = 1.0
    mixup: float = 0.0
    scale: tuple[float, float] = (0.5, 1.5)
    translate: float = 0.1
    flip: float = 0.5
    hue: float = 0.015
    saturation: float = 0.7
    brightness: float = 0.4
    rotation: float = 0.0
    shear: float = 0.0
    copy_paste: float = 0.0
    cut_out: float = 0.0
    multi_scale: float = 0.0
    min_visibility: float = 0.2
    min_size: float = 2.0

    def __post_init__(self) -> None:
        for name in FRACTIONS:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; choose a value from 0 to 1")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale is {self.scale}; give the smaller zoom first, both above 0")
        if not 0 <= self.rotation <= 180:
            raise ValueError(f"rotation is {self.rotation}; choose from 0 to 180 degrees")
        if not 0 <= self.shear < 60:
            raise ValueError(f"shear is {self.shear}; choose from 0 to below 60 degrees")
        if not 0 <= self.multi_scale < 1:
            raise ValueError(f"multi_scale is {self.multi_scale}; choose from 0 to below 1")


NO_AUGMENTATION = Augmentation(
    mosaic=0,
    scale=(1, 1),
    translate=0,
    flip=0,
    hue=0,
    saturation=0,
    brightness=0,
    min_visibility=0,
    min_size=0,
)
