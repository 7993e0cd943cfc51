"""Running a script: the message instead of a traceback for a user's mistake, and the exit statuses."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import tyro

from utils.system.signals import Stopped

ROOT = Path(__file__).resolve().parents[2]  # the repository: where default paths start

C = TypeVar("C")


class IncompleteError(Exception):
    """The work is done, but for what could not be and was named; the text says how much that is."""


def absolute_file(name: str) -> str:
    """The absolute path where there is such a file; a word that stands for something else as it is."""
    return str(Path(name).absolute()) if Path(name).is_file() else name


def ask(question: str) -> str:
    """What the user answers, without spaces around it and the quotation marks of a file that was dropped."""
    try:
        return input(question).strip().strip("\"'")
    except EOFError:
        return ""


def run(
    main: Callable[[C], None],
    config_class: type[C],
    defaults: Callable[[C], C | None] = lambda _: None,
) -> None:
    """Parse the command line into `config_class`, call `main`, and exit.

    What is not given is as `config_class` says, or as `defaults` does, which is asked with what that came to.

    Exit status 0 on success, 2 on wrong usage or input (`ValueError` or a file that cannot be read or
    written: its message is printed, which names the fix), 1 where some of the work failed and the rest was
    done (`IncompleteError`), 130 on Ctrl+C, 143 on SIGTERM. Anything else is a defect of ours and keeps its
    traceback (exit status 1).
    """
    # Windows consoles and pipes may be set to a legacy code page; class names are UTF-8.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    config = tyro.cli(config_class)
    try:
        if (earlier := defaults(config)) is not None:
            config = tyro.cli(config_class, default=earlier)
        main(config)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except IncompleteError as incomplete:
        print(f"incomplete: {incomplete}", file=sys.stderr)
        sys.exit(1)
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        sys.exit(stopped.exit_status)
    except KeyboardInterrupt:
        print("stopped by Ctrl+C", file=sys.stderr)
        sys.exit(130)
