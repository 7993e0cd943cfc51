"""The settings of data augmentation."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from tyro.conf import Fixed, Suppress

from utils.system.settings import Fraction, NonNegativeFloat, Range, check_ranges

Scale = Annotated[
    tuple[float, float],
    Range("the smaller zoom first, both above 0", lambda scale: 0 < scale[0] <= scale[1]),
]
Rotation = Annotated[float, Range("from 0 to 180", lambda degrees: 0 <= degrees <= 180)]
Shear = Annotated[float, Range("from 0 to below 60", lambda degrees: 0 <= degrees < 60)]
SizeChange = Annotated[float, Range("from 0 to below 1", lambda change: 0 <= change < 1)]


@dataclass(frozen=True)
class Augmentation:
    """Settings of data augmentation, one per kind. `NO_AUGMENTATION` turns all kinds off.

    Rotation and shear are around the centre of the image; the scale multiplies the letterbox's.
    """

    mosaic: Fraction = 1.0  # probability of combining four images into one training sample
    mixup: Fraction = 0.0  # probability of blending a mosaic half and half with another image
    scale: Scale = (0.5, 1.5)  # range of the random zoom: smallest and largest factor
    translate: Fraction = 0.1  # largest random shift, as a fraction of the input size
    rotation: Rotation = 0.0  # largest random rotation in either direction, in degrees
    shear: Shear = 0.0  # largest random shear in either direction, in degrees
    flip: Fraction = 0.5  # probability of flipping a sample horizontally
    vertical_flip: Fraction = 0.0  # probability of flipping an image vertically, for views from above
    quarter_turn: Fraction = 0.0  # probability of turning an image by 90, 180 or 270 degrees
    hue: Fraction = 0.015  # largest random hue shift, as a fraction of the colour wheel
    saturation: Fraction = 0.7  # largest relative change in saturation
    brightness: Fraction = 0.4  # largest relative change in brightness
    grey: Fraction = 0.0  # probability of taking the colour from a sample
    blur: Fraction = 0.0  # probability of blurring a sample
    noise: Fraction = 0.0  # probability of adding noise to a sample
    jpeg: Fraction = 0.0  # probability of strong JPEG compression of a sample
    copy_paste: Fraction = 0.0  # probability of pasting in objects from other samples in the batch
    cut_out: Fraction = 0.0  # probability of covering a rectangle of a sample (cutout)
    multi_scale: SizeChange = 0.0  # largest relative change in input size from batch to batch
    augment_file: str = ""  # Python file with your own augmentation, run after all others; see the guide
    min_visibility: Suppress[Fixed[Fraction]] = 0.2  # drop boxes of which less is visible
    min_size: Suppress[Fixed[NonNegativeFloat]] = 2.0  # drop boxes with shorter sides, in input pixels

    def __post_init__(self) -> None:
        check_ranges(self)

    def complete(self) -> "Augmentation":
        """Return the settings with an absolute path."""
        return replace(
            self, augment_file=str(Path(self.augment_file).absolute()) if self.augment_file else ""
        )


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
