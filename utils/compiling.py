"""Compiling the training step: torch.compile, and CUDA graphs."""

import shutil
from typing import Literal

from torch import nn

Compiling = Literal["off", "on", "graphs"]
COMPILERS = ("c++", "g++", "clang++", "cl")


def check_compiler(compiling: Compiling, on_gpu: bool) -> None:
    """ValueError with the fix where that cannot be had: without a C++ compiler, or graphs without a GPU."""
    if compiling == "graphs" and not on_gpu:
        raise ValueError("--compile graphs needs a GPU; use --compile on or off")
    if compiling != "off" and not any(map(shutil.which, COMPILERS)):
        raise ValueError(
            "--compile needs a C++ compiler, and there is none: install one (on Debian and Ubuntu: "
            "apt install g++), or leave it out"
        )


def compiled(module: nn.Module, compiling: Compiling) -> nn.Module:
    """The module, compiled in place when it is first called; its state dict stays what it is."""
    if compiling != "off":
        module.compile(mode="reduce-overhead" if compiling == "graphs" else None)
    return module
