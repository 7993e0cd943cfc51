"""Looking at everything a run needs before its first step, and naming all that is wrong at once."""

from collections.abc import Iterator
from contextlib import contextmanager


class Preflight:
    """Collects the messages of checks that fail, so that the user mends them in one go.

    preflight = Preflight()
    with preflight.check():
        classes = read_classes(path)
    preflight.finish()  # ValueError with all messages, if there are any
    """

    def __init__(self) -> None:
        self.problems: list[str] = []

    @contextmanager
    def check(self) -> Iterator[None]:
        """Run a check; a `ValueError` or `OSError` in it is noted, and the code goes on after the block."""
        try:
            yield
        except (ValueError, OSError) as error:
            self.problems.append(str(error))

    def finish(self) -> None:
        """Raise one `ValueError` with every problem that was noted."""
        if len(self.problems) == 1:
            raise ValueError(self.problems[0])
        if self.problems:
            lines = "\n".join(f"  {number}. {text}" for number, text in enumerate(self.problems, 1))
            raise ValueError(f"{len(self.problems)} things to mend before this can run:\n{lines}")


def check_image_size(size: tuple[int, int], stride: int) -> None:
    """ValueError that names the two nearest sizes that fit, if a side is no multiple of `stride`."""
    for name, side in zip(("height", "width"), size, strict=True):
        if side <= 0 or side % stride:
            lower = max(stride, side // stride * stride)
            nearest = f"{lower} or {lower + stride}" if side > stride else f"{stride}"
            raise ValueError(
                f"--image-size {size[0]} {size[1]}: the {name} must be a multiple of {stride}; "
                f"the nearest that fit are {nearest}"
            )
