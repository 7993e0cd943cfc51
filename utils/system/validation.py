"""Checks of values, packages and files before the work starts; all problems are reported together."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

MAX_IMAGE_SIDE = 8192  # pixels; the first feature map of the smallest network then takes 1 GB


class Preflight:
    """A collector of the messages of failed checks, so that the user sees all problems at once.

    preflight = Preflight()
    with preflight.check():
        classes = read_classes(path)
    preflight.finish()  # ValueError with all messages, if any
    """

    def __init__(self) -> None:
        self.problems: list[str] = []

    @contextmanager
    def check(self) -> Iterator[None]:
        """Record a `ValueError` or `OSError` raised in the block, and continue after it."""
        try:
            yield
        except (ValueError, OSError) as error:
            self.problems.append(str(error))

    def finish(self) -> None:
        """Raise one `ValueError` with all recorded problems, if any."""
        if len(self.problems) == 1:
            raise ValueError(self.problems[0])
        if self.problems:
            lines = "\n".join(f"  {number}. {text}" for number, text in enumerate(self.problems, 1))
            raise ValueError(f"{len(self.problems)} problems to fix before this can run:\n{lines}")


def check_image_size(size: tuple[int, int], stride: int, smallest: int = 1) -> None:
    """Raise ValueError if a side is below `smallest`, too large or no multiple of `stride`; suggest sizes.

    size  (height, width)
    """
    for name, side in zip(("height", "width"), size, strict=True):
        if side <= 0 or side % stride:
            lower = max(stride, side // stride * stride)
            nearest = f"{lower} or {lower + stride}" if side > stride else f"{stride}"
            raise ValueError(
                f"--image-size {size[0]} {size[1]}: the {name} must be a multiple of {stride}; "
                f"the nearest valid ones are {nearest}"
            )
        if side > MAX_IMAGE_SIDE:
            raise ValueError(f"--image-size {size[0]} {size[1]}: the {name} must be at most {MAX_IMAGE_SIDE}")
        if side < smallest:
            raise ValueError(
                f"--image-size {size[0]} {size[1]}: the {name} must be at least {smallest} for this model"
            )


def require_packages(flag: str, *names: str) -> None:
    """Raise ValueError with the install command if packages are missing."""
    if missing := [name for name in names if find_spec(name) is None]:
        raise ValueError(f"{flag} needs packages that are not installed: pip install {' '.join(missing)}")
