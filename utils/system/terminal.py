"""What a script prints: streams that work, plain warnings, and text that cannot control the terminal."""

import os
import re
import sys
import warnings
from pathlib import Path
from typing import Any

# Control characters but tab and line end, and characters that reverse the direction of text: file names may
# hold them, and terminals obey them.
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
BROKEN_PIPE_STATUS = 141  # of shells, for a program that SIGPIPE ended


def printable(text: object) -> str:
    r"""Return text with control characters as escapes: "\x1b" for the character that starts a command."""
    return UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], str(text))


def prepare_streams() -> None:
    """Make the standard streams UTF-8, replace closed ones, and print warnings without the line of code."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell: <&- or >&-
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115, for the process
        elif hasattr(stream, "reconfigure") and name != "stdin":
            # Windows consoles and pipes may use a legacy code page; class names are UTF-8.
            stream.reconfigure(encoding="utf-8", errors="replace")
    warnings.formatwarning = lambda message, *_, **__: f"warning: {printable(message)}\n"


def escape_output() -> None:
    """Print control characters as escapes from now on, since file names are printed in many places."""
    stream: Any = sys.stdout
    write = stream.write
    stream.write = lambda text: write(printable(text))


def leave_broken_pipe() -> None:
    """Send further output nowhere, since its reader (as in `| head`) has gone, and exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    sys.exit(BROKEN_PIPE_STATUS)
