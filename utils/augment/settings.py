"""The settings of data augmentation."""

from dataclasses import dataclass

FRACTIONS = (
    "mosaic",
    "mixup",
    "translate",
    "flip",
    "hue",
    "saturation",
    "brightness",
    "copy_paste",
    "cut_out",
    "min_visibility",
)


@dataclass(frozen=True)
class Augmentation:
    """How training images are augmented, a switch for each kind. `NO_AUGMENTATION` has all of them off.

    Rotation and shear are around the image's centre, scale is on top of the letterbox.
    """

    mosaic: float = 1.0  # probability of combining four images into one training sample
    mixup: float = 0.0  # probability of blending a mosaic half and half with another image
    scale: tuple[float, float] = (0.5, 1.5)  # range of the random zoom: smallest and largest factor
    translate: float = 0.1  # largest random shift, as a fraction of the input size
    flip: float = 0.5  # probability of flipping a sample horizontally
    hue: float = 0.015  # largest random hue shift, as a fraction of the colour circle
    saturation: float = 0.7  # largest relative change of the saturation
    brightness: float = 0.4  # largest relative change of the brightness
    rotation: float = 0.0  # largest random rotation in either direction, in degrees
    shear: float = 0.0  # largest random shear in either direction, in degrees
    copy_paste: float = 0.0  # probability of pasting objects of other samples of the batch into a sample
    cut_out: float = 0.0  # probability of covering a rectangle of a sample (cutout)
    multi_scale: float = 0.0  # largest relative change of the input size from batch to batch
    min_visibility: float = 0.2  # drop boxes of which less than this fraction of the area remains visible
    min_size: float = 2.0  # drop boxes narrower or shorter than this, in pixels of the input

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
