"""Making small VOC folders for tests."""

from pathlib import Path

from PIL import Image


def xml(objects=(), size=(100, 80)):
    """Annotation text; objects are (name, (xmin, ymin, xmax, ymax)[, difficult]), size is (width, height)."""
    parts = [
        f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>" if size else ""
    ]
    for name, box, *difficult in objects:
        corners = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
        bounds = "".join(f"<{tag}>{value}</{tag}>" for tag, value in corners)
        flag = f"<difficult>{difficult[0]}</difficult>" if difficult else ""
        parts.append(f"<object><name>{name}</name>{flag}<bndbox>{bounds}</bndbox></object>")
    return f"<annotation>{''.join(parts)}</annotation>"


def add_image(root: Path, name: str, text: str | None = None, suffix=".jpg", size=(100, 80)):
    """One image of a VOC folder; without `text`, it has no XML."""
    for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / part).mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(root / "JPEGImages" / f"{name}{suffix}")
    if text is not None:
        (root / "Annotations" / f"{name}.xml").write_text(text, encoding="utf-8")


def add_split(root: Path, split: str, *ids: str):
    (root / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
    (root / "ImageSets" / "Main" / f"{split}.txt").write_text(
        "".join(f"{i}\n" for i in ids), encoding="utf-8"
    )
