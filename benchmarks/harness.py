"""Code shared by all benchmarks: the library's path, peers to compare with, and JSON lines of results.

Import this before the library's modules, so that the scripts run without installation.
"""

import json
import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


class Peer(NamedTuple):
    """Another program to compare with: a command with placeholders, which prints a line of JSON."""

    name: str
    command: str

    def run(self, **values: object) -> Any:
        """Fill in the placeholders, run the command, and return the JSON of the last line."""
        return run_command(self.command.format(**values))


def parse_peers(texts: tuple[str, ...]) -> list[Peer]:
    """Parse peers given as name=command."""
    return [Peer(name, command) for name, _, command in (text.partition("=") for text in texts)]


def run_command(command: str) -> Any:
    """Run a command and return the JSON of its last line; ValueError with the error message on failure."""
    done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError(f"the peer failed: {command}\n{done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def installed_version(package: str) -> str | None:
    """Return the version of a package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def print_result(
    bench: str,
    case: str,
    ours: float,
    unit: str,
    *,
    digits: int = 2,
    peer: float | None = None,
    peer_name: str | None = None,
    ratio: float | None = None,
    versions: dict[str, str | None],
    **more: object,
) -> None:
    """Print the JSON line of a result.

    ratio     factor by which our result is better than the peer's
    digits    number of decimals of both results
    versions  package versions; Python's is added
    more      further values for the line
    """
    line = {
        "bench": bench,
        "case": case,
        "ours": round(ours, digits),
        "peer": None if peer is None else round(peer, digits),
        "peer_name": peer_name,
        "unit": unit,
        "ratio": None if ratio is None else round(ratio, 2),
        **more,
        "versions": versions | {"python": platform.python_version()},
    }
    print(json.dumps(line), flush=True)
