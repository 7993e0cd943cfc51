"""Programs that ours are measured beside: commands that print a line of JSON."""

import json
import shlex
import subprocess
from typing import Any


def said_by(command: str) -> Any:
    """Run the command; what its last line says. ValueError with its own words where it fails."""
    done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError(f"the peer failed: {command}\n{done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])
