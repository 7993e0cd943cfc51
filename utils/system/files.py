"""Atomic writes of files and folders, and UTF-8 text files."""

import codecs
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEXT_BLOCK_SIZE = 1 << 22  # characters; larger blocks are no faster
NOT_UTF8 = "backslashreplace"  # for file names that are not UTF-8, in reports: \udcff, as JSON escapes it
MAX_NAME_BYTES = 255  # of a file name, on nearly every file system
ENDING_BYTES = 25  # for what is put behind a name, such as -2_00123.jpg.tmp
DEVICE_NAME = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])\s*(?:\.|$)", re.IGNORECASE
)


@contextmanager
def replacing(path: Path, backup: Path | None = None, durable: bool = True) -> Iterator[Path]:
    """Write a file atomically: yield a temporary path next to `path`, and rename it to `path` on success.

    On failure the temporary file is removed. Missing folders are created. Readers of `path` see the old file
    until it is replaced.

    backup   path to move the old file to; `path` is missing for a moment, but then the backup exists
    durable  whether to flush to disk first, so that the file survives a power failure; takes 8 ms
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(short_name(path.name, len(".tmp")) + ".tmp")
    beside.unlink(missing_ok=True)  # a link there, such as in a run folder of others, would be followed
    try:
        with naming_path(path):
            yield beside
            if durable:
                with beside.open("rb+") as file:
                    os.fsync(file.fileno())
            if backup is not None and path.exists():
                path.replace(backup)
            beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def naming_path(path: Path) -> Iterator[None]:
    """Add the path to an error of the system that names no file, such as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise


def error_text(error: Exception) -> str:
    """Return the message of an error; of one by the system, the file and the reason without its number."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    file = error.filename2 or error.filename  # the second is where to, as of a copy
    return f"{file}: {error.strerror}" if file else error.strerror


def read_failure(error: Exception) -> str:
    """Return why a file could not be read, for readers who do not know Python; without the file."""
    if isinstance(error, RecursionError):
        return "it nests too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start + 1} is not {error.encoding.upper()} text"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def require_writable(folder: Path, flag: str = "--output") -> None:
    """Raise ValueError naming the flag if no file can be written in `folder`, which need not exist yet.

    Called before the work, whose results would be lost.
    """
    folder = folder.absolute()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            return
    except OSError as error:
        reason = error.strerror or error
    raise ValueError(f"nothing can be saved in {existing} ({reason}): choose another place with {flag}")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Create a folder atomically: yield a temporary folder next to `path`, and rename it on success.

    On failure the temporary folder is removed. ValueError if `path` exists and is not an empty folder.
    """
    path = path.absolute()
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise ValueError(f"{path} exists and is not empty: choose another --output, or remove it")
    beside = path.with_name(path.name + ".tmp")
    if beside.exists():
        raise ValueError(
            f"{beside} was left by an interrupted run, or another run is writing to it: remove it"
        )
    beside.mkdir(parents=True)
    try:
        with naming_path(path):
            yield beside
        if path.exists():
            path.rmdir()  # Windows cannot rename a folder over another
        beside.rename(path)
    finally:
        if beside.exists():
            shutil.rmtree(beside)


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """Yield a path of the same name in a temporary folder, to write and verify a file or folder there.

    The result replaces `path` on success, and is removed on failure.
    """
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{short_name(path.name)}.", dir=path.parent) as folder:
        beside = Path(folder) / path.name
        with naming_path(path):
            yield beside
        if path.is_dir():  # a folder can replace only an empty one
            path.rename(Path(folder) / "before")
        beside.replace(path)


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, or in UTF-16 with a byte order mark; line endings become newlines.

    ValueError if the file does not exist or is in another encoding.
    """
    with _explained_errors(path):
        try:
            return path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            return path.read_text(encoding=_encoding(path))


def text_blocks(path: Path, size: int = TEXT_BLOCK_SIZE) -> Iterator[str]:
    """Yield a large text file in blocks of whole lines, about `size` characters each."""
    with _explained_errors(path), path.open(encoding=_encoding(path)) as file:
        while block := file.read(size):
            yield block + file.readline()


def _encoding(path: Path) -> str:
    """Return UTF-16 for a file that begins with its byte order mark, as Windows tools write, else UTF-8."""
    with path.open("rb") as file:
        return "utf-16" if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def write_text(path: Path, text: str, durable: bool = True, errors: str = "strict") -> None:
    """Write the text as UTF-8, atomically; see `replacing`.

    errors  for file names that are not UTF-8: "strict" (ValueError) or `NOT_UTF8`
    """
    try:
        content = text.encode("utf-8", errors)  # as bytes: the same line endings on every system
    except UnicodeEncodeError as error:
        name = ascii(text[max(error.start - 40, 0) : error.end + 40])
        raise ValueError(f"{path.name} cannot hold {name}: rename the file, its name is not UTF-8") from None
    with replacing(path, durable=durable) as beside:
        beside.write_bytes(content)


@contextmanager
def _explained_errors(path: Path) -> Iterator[None]:
    """Turn errors of opening and decoding into a `ValueError` that says what to do."""
    try:
        yield
    except FileNotFoundError:
        raise ValueError(f"{path.absolute()} does not exist") from None
    except IsADirectoryError:
        raise ValueError(f"{path.absolute()} is a folder, not a text file") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text: save it as UTF-8 in a text editor") from None


def safe_file_name(text: str) -> str:
    """Return the text as the name of a file or folder that every system takes.

    Forbidden characters become underscores, blanks and dots around it are dropped, a name that Windows keeps
    for a device (CON, NUL, ...) gets an underscore, and a long one is shortened.
    """
    name = re.sub(r'[<>:"/\\|?*\x00-\x1f\x7f]', "_", text).strip(" .") or "_"
    return short_name(f"_{name}" if DEVICE_NAME.match(name) else name)


def short_name(name: str, ending: int = ENDING_BYTES) -> str:
    """Return a file name to which `ending` bytes can be added: a long one is cut, and gets a hash."""
    encoded = name.encode("utf-8", "surrogateescape")
    room = MAX_NAME_BYTES - ending
    if len(encoded) <= room:
        return name
    digest = hashlib.blake2b(encoded, digest_size=4).hexdigest()
    start = encoded[: room - len(digest) - 1].decode("utf-8", "ignore")
    return f"{start.rstrip(' .')}_{digest}"
