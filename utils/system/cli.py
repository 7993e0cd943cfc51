"""Run a script: parse the command line, print user errors without a traceback, set the exit status."""

import errno
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import tyro

from utils.system.files import error_text
from utils.system.signals import Stopped, ended_by_signals
from utils.system.terminal import escape_output, leave_broken_pipe, prepare_streams, printable

ROOT = Path(__file__).resolve().parents[2]  # the repository; default paths are relative to it

C = TypeVar("C")


class IncompleteError(Exception):
    """Some parts of the work failed and were reported; the message says how many."""


def absolute_file(name: str) -> str:
    """Return the absolute path if `name` is a file, else `name` unchanged (it may be a keyword)."""
    return str(Path(name).absolute()) if Path(name).is_file() else name


def ask(question: str) -> str:
    """Ask the user and return the answer without the quotes that terminals put around a dropped file."""
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

    Omitted flags take the defaults of `config_class`. If `defaults`, called with the parsed configuration,
    returns another configuration, the command line is parsed again with the returned one as the defaults.

    Exit status: 0 on success; 2 for wrong usage or input (`ValueError`, or `OSError` for a file that cannot
    be read or written), whose message says how to fix it; 1 if part of the work failed (`IncompleteError`);
    130 on Ctrl+C; 143 on SIGTERM; 141 if the reader of
    the output has gone, as `| head`. Any other exception is a bug and keeps its traceback (exit status 1).
    """
    prepare_streams()
    try:
        config = tyro.cli(config_class)
        if (earlier := defaults(config)) is not None:
            config = tyro.cli(config_class, default=earlier)
        escape_output()  # only now, since --help has colours
        with ended_by_signals():
            main(config)
        sys.stdout.flush()
    except BrokenPipeError:
        leave_broken_pipe()
    except (ValueError, OSError) as error:
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        fix = ": make room, or choose another place with --output" if full else ""
        print(f"error: {printable(error_text(error) + fix)}", file=sys.stderr)
        sys.exit(2)
    except IncompleteError as incomplete:
        print(f"incomplete: {printable(incomplete)}", file=sys.stderr)
        sys.exit(1)
    except Stopped as stopped:
        print(printable(stopped), file=sys.stderr)
        sys.exit(stopped.exit_status)
    except KeyboardInterrupt:
        print("stopped by Ctrl+C", file=sys.stderr)
        sys.exit(130)
