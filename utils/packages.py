"""Packages that not everybody needs: whether they are there, and what to install."""

from importlib.util import find_spec


def require_packages(flag: str, *names: str) -> None:
    """ValueError, with what to install, where one of the packages is not there."""
    if missing := [name for name in names if find_spec(name) is None]:
        raise ValueError(f"{flag} needs packages that are not installed: pip install {' '.join(missing)}")
