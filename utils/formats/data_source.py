"""Specs, which name a data set of any format on the command line:

2007_train.txt               a list file (written by voc_annotation.py)
VOCdevkit/VOC2007:train      a VOC folder and one of its splits; difficult objects are kept and flagged
instances.json:images/       COCO annotations and the image folder
data.yaml:train              YOLO: the YAML file, or Darknet's obj.data, and one of its splits
images/train/                YOLO: an image folder, with labels in labels/train/ or next to the images
annotations/:images/         a folder of VOC XML or YOLO text, and the image folder
"""

from pathlib import Path
from typing import Literal, NamedTuple

from utils.formats.voc_folder import split_names
from utils.formats.yolo_files import images_below, label_files
from utils.formats.yolo_yaml import DARKNET_SUFFIX

FORMS = (
    "A data set is a list file (2007_train.txt), a VOC folder with a split (VOCdevkit/VOC2007:train), "
    "COCO annotations with the image folder (instances.json:images/), a YOLO file with a split "
    "(data.yaml:train), a folder of images with YOLO labels (images/train/), or a folder of VOC XML or YOLO "
    "text with the image folder (annotations/:images/)"
)

YAML_SUFFIXES = (".yaml", ".yml", DARKNET_SUFFIX)

SourceKind = Literal["voc", "voc-pair", "coco", "yolo-yaml", "yolo-folder", "yolo-pair", "list"]


class DataSource(NamedTuple):
    """The parts of a spec.

    kind    format
    base    annotation file or folder
    option  name of the split, or image folder; may be empty
    """

    kind: SourceKind
    base: Path
    option: str

    @property
    def image_folder(self) -> Path:
        """The image folder of COCO annotations; ValueError if it does not exist."""
        folder = Path(self.option) if self.option else self.base.parent
        if not folder.is_dir():
            raise ValueError(f"the image folder {folder.absolute()} of {self.base} does not exist")
        return folder.absolute()


def find_source(spec: str) -> DataSource:
    """Return the format and files that `spec` names; ValueError with advice if they do not exist."""
    base, option = _split_spec(spec)
    if base.is_dir():
        return DataSource(_folder_kind(base, option), base, option)
    if not base.is_file():
        raise ValueError(f"{spec} does not exist (looked for {_sought(spec).absolute()}). {FORMS}")
    if base.suffix.lower() in YAML_SUFFIXES:
        return DataSource("yolo-yaml", base, option)
    return DataSource("coco" if option or base.suffix.lower() == ".json" else "list", base, option)


def names_classes(spec: str) -> bool:
    """Return whether the data set has class names; lists and YOLO text contain only class numbers."""
    base, option = _split_spec(spec)
    if base.is_dir():
        return bool(option) and (not _is_pair(base, option) or _holds_xml(base))
    return base.suffix.lower() in (".json", *YAML_SUFFIXES) or (base.is_file() and bool(option))


def absolute_spec(spec: str) -> str:
    """Return the spec with absolute paths."""
    base, option = _split_spec(spec)
    if not option:
        return str(base.absolute())
    is_split = base.suffix.lower() in YAML_SUFFIXES or (base.is_dir() and not _is_pair(base, option))
    return f"{base.absolute()}:{option if is_split else Path(option).absolute()}"


def _split_spec(spec: str) -> tuple[Path, str]:
    """Split the spec at the separating colon, if there is one; the colon of a drive letter is not."""
    if not Path(spec).exists():
        for position in reversed([at for at, character in enumerate(spec) if at > 0 and character == ":"]):
            base, option = Path(spec[:position]), spec[position + 1 :]
            names_part = base.is_dir() and (not set(option) & set("/\\") or Path(option).is_dir())
            if option and (base.is_file() or names_part):
                return base, option
    return Path(spec), ""


def _sought(spec: str) -> Path:
    before = spec.rpartition(":")[0]
    return Path(before if len(before) > 1 else spec)  # a single letter is a Windows drive


def _split_advice(folder: Path) -> str:
    if splits := split_names(folder):
        return f"name a split: {', '.join(f'{folder}:{split}' for split in splits)}"
    years = sorted(year for year in folder.iterdir() if split_names(year))
    if years:
        return f"name a year and a split, such as {years[0]}:{split_names(years[0])[0]}"
    if files := sorted(path for path in folder.iterdir() if path.suffix.lower() in YAML_SUFFIXES):
        return f"name the YAML file and a split, such as {files[0]}:train"
    if images := [path for path in folder.iterdir() if path.is_dir() and path.name.lower() == "images"]:
        return f"name its folder of images: {images[0]}"
    return (
        "it has neither ImageSets/Main with splits (python voc_annotation.py makes them) nor YOLO labels "
        "(text files named as the images, next to them or in a folder labels beside the folder images)"
    )


def _is_yolo_folder(folder: Path) -> bool:
    """Return whether an image in or below the folder has a label file; False for the root of a data set."""
    if any((folder / part).is_dir() for part in ("ImageSets", "JPEGImages", "images")):
        return False
    return any(label_files(images_below(folder)))


def _is_pair(folder: Path, option: str) -> bool:
    return option not in split_names(folder) and Path(option).is_dir()


def _holds_xml(folder: Path) -> bool:
    return any(folder.glob("*.xml"))


def _folder_kind(folder: Path, option: str) -> SourceKind:
    """Return the format of a folder; `option` is a split or the image folder."""
    if option and not _is_pair(folder, option):
        return "voc"
    if option:
        return "voc-pair" if _holds_xml(folder) else "yolo-pair"
    if _is_yolo_folder(folder):
        return "yolo-folder"
    raise ValueError(f"{folder.absolute()} is a folder: {_split_advice(folder)}. {FORMS}")
