"""Devices, mixed precision, and torch.compile with CUDA graphs."""

import os
import shutil
from typing import Literal, TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)
Amp = Literal["auto", "off", "bf16", "fp16"]

Compiling = Literal["off", "on", "graphs"]
CPP_COMPILERS = ("c++", "g++", "clang++", "cl")


def choose_device(name: str) -> torch.device:
    """Return the device for `--device`; "auto" is a GPU if available, else the CPU.

    ValueError if there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device: torch.device | None
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise ValueError(f"--device {name}: no such device; use auto, cpu, cuda or cuda:0")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"--device {name}: no GPU that PyTorch {torch.__version__} can use; install its CUDA build "
            "and the driver, or use --device cpu"
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"--device {name}: there are only {torch.cuda.device_count()} GPUs, from cuda:0")
    return device


def choose_autocast(amp: Amp, device: torch.device) -> torch.dtype | None:
    """Return the autocast dtype for `--amp`; None means float32 throughout.

    "auto" is bfloat16 where the hardware supports it, float16 on older GPUs, and else float32: a CPU without
    bfloat16 instructions emulates them, several times slower than float32.
    """
    if amp == "off":
        return None
    if amp == "bf16":
        return torch.bfloat16
    if amp == "fp16":
        if device.type == "cpu":
            raise ValueError("--amp fp16 needs a GPU; use --amp bf16, auto or off")
        return torch.float16
    if supports_bf16(device):
        return torch.bfloat16
    return torch.float16 if device.type == "cuda" else None


def describe_device(device: torch.device, autocast: torch.dtype | None, processes: int = 1) -> str:
    """Return one line for the log: device, memory or threads, precision and number of processes."""
    precision = "float32" if autocast is None else f"{str(autocast).removeprefix('torch.')} autocast"
    precision += f", {processes} processes" if processes > 1 else ""
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return f"device: {properties.name}, {properties.total_memory / 2**30:.0f} GiB, {precision}"
    hint = "" if torch.cuda.is_available() else " (no GPU found)"
    return f"device: CPU, {torch.get_num_threads()} threads{hint}, {precision}"


def set_deterministic(deterministic: bool) -> None:
    """Select deterministic GPU kernels, or let cuDNN benchmark kernels and use the fastest.

    CPU kernels are always deterministic. An operation without a deterministic kernel raises a RuntimeError.
    """
    torch.backends.cudnn.benchmark = not deterministic
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it starts
    torch.use_deterministic_algorithms(deterministic)
    # Filling uninitialized memory only helps to find bugs, and costs time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def to_device(model: M, device: torch.device) -> M:
    """Move a model to a device, in channels-last memory format, which speeds up convolutions."""
    model.to(device)
    return model.to(memory_format=torch.channels_last)


def supports_bf16(device: torch.device) -> bool:
    """Return whether the device has bfloat16 instructions."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(supported is not None and supported())


def check_compiler(compiling: Compiling, on_gpu: bool) -> None:
    """Raise ValueError if there is no C++ compiler, or no GPU for CUDA graphs; say what to do."""
    if compiling == "graphs" and not on_gpu:
        raise ValueError("--compile graphs needs a GPU; use --compile on or off")
    if compiling != "off" and not any(map(shutil.which, CPP_COMPILERS)):
        raise ValueError(
            "--compile needs a C++ compiler, and there is none: install one (on Debian and Ubuntu: "
            "apt install g++), or omit --compile"
        )


def compiled(module: nn.Module, compiling: Compiling) -> nn.Module:
    """Return the module, set up to compile in place at the first call; state dict keys do not change."""
    if compiling != "off":
        module.compile(mode="reduce-overhead" if compiling == "graphs" else None)
    return module


def autocasting(device: torch.device, dtype: torch.dtype | None) -> torch.autocast:
    """Return the autocast context for `dtype`; None means float32."""
    return torch.autocast(device.type, dtype, enabled=dtype is not None)


def usable_cores() -> int:
    """Return the number of cores that this process may use; job queues and containers may limit it."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
