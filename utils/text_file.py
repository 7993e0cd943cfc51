"""Reading and writing text files: always UTF-8, never half-written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from utils.atomic import replacing

BLOCK = 1 << 22  # characters; larger blocks are no faster


def read_text(path: Path) -> str:
    """The whole text of a UTF-8 file, with or without a byte order mark; line ends become newlines.

    Raises `ValueError` if there is no such file or it is not UTF-8 text.
    """
    with _said_plainly(path):
        return path.read_text(encoding="utf-8-sig")


def text_blocks(path: Path, size: int = BLOCK) -> Iterator[str]:
    """The same text in blocks of whole lines, each of about `size` characters, for files that are large."""
    with _said_plainly(path), path.open(encoding="utf-8-sig") as file:
        while block := file.read(size):
            yield block + file.readline()


def write_text(path: Path, text: str, lasting: bool = True) -> None:
    """Write the text as UTF-8; the file appears whole or not at all, as `replacing` says."""
    with replacing(path, lasting=lasting) as beside:
        beside.write_bytes(text.encode("utf-8"))  # bytes: the line ends are the same on every system


@contextmanager
def _said_plainly(path: Path) -> Iterator[None]:
    """Errors of opening and decoding as `ValueError` with the fix."""
    try:
        yield
    except FileNotFoundError:
        raise ValueError(f"{path.absolute()} does not exist") from None
    except IsADirectoryError:
        raise ValueError(f"{path.absolute()} is a folder, not a text file") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text: save it as UTF-8 in a text editor") from None
