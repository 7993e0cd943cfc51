"""OpenVINO's Core, one for the whole program."""

import functools
from typing import Any


@functools.cache
def openvino_core() -> Any:
    """The Core, which stays.

    Its CPU plugin gives the thread a stack to handle signals on, and puts the one before it back when it
    goes. Of two Cores, the second to go puts back that of the first, which is no more, and Ctrl+C then ends
    Python by a segmentation fault where signals have their own stack, as `faulthandler` sees to (seen with
    OpenVINO 2026.4).
    """
    import openvino

    return openvino.Core()
