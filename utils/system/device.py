"""The device and the number format of a run, and compiling for it: torch.compile and CUDA graphs."""

import os
import shutil
from typing import Literal, TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)
Amp = Literal["auto", "off", "bf16", "fp16"]

Compiling = Literal["off", "on", "graphs"]
COMPILERS = ("c++", "g++", "clang++", "cl")


def choose_device(name: str) -> torch.device:
    """The device for `--device`: "auto" takes a GPU where there is one.

    ValueError if a GPU is asked for that is not there.
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
    """The format that convolutions run in; None is float32 throughout.

    "auto" takes bfloat16 where the hardware multiplies it, and float16 on older GPUs. On a CPU without
    such instructions bfloat16 is emulated, several times slower than float32.
    """
    if amp == "off":
        return None
    if amp == "bf16":
        return torch.bfloat16
    if amp == "fp16":
        if device.type == "cpu":
            raise ValueError("--amp fp16 needs a GPU; use --amp bf16, auto or off")
        return torch.float16
    if multiplies_bf16(device):
        return torch.bfloat16
    return torch.float16 if device.type == "cuda" else None


def describe_device(device: torch.device, autocast: torch.dtype | None, processes: int = 1) -> str:
    """One line for the log: which device, how much memory, which number format, and how many of them."""
    precision = "float32" if autocast is None else f"{str(autocast).removeprefix('torch.')} autocast"
    precision += f", {processes} processes" if processes > 1 else ""
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return f"device: {properties.name}, {properties.total_memory / 2**30:.0f} GiB, {precision}"
    hint = "" if torch.cuda.is_available() else " (no GPU found)"
    return f"device: CPU, {torch.get_num_threads()} threads{hint}, {precision}"


def choose_kernels(deterministic: bool) -> None:
    """Let GPUs take the kernels that are fastest, or those that give the same bits each time.

    CPUs do so anyway. With the latter, an operation that has no such kernel raises a RuntimeError.
    """
    torch.backends.cudnn.benchmark = not deterministic
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS looks at it when it starts
    torch.use_deterministic_algorithms(deterministic)
    # Filling memory that nothing was written to only shows defects, and costs time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def to_device(model: M, device: torch.device) -> M:
    """Move a model to a device, with channels last in memory: convolutions are faster that way."""
    model.to(device)
    return model.to(memory_format=torch.channels_last)


def multiplies_bf16(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(supported is not None and supported())


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


def autocasting(device: torch.device, dtype: torch.dtype | None) -> torch.autocast:
    """The context in which convolutions run in `dtype`; None leaves them in float32."""
    return torch.autocast(device.type, dtype, enabled=dtype is not None)


def usable_cores() -> int:
    """The cores that this process may use: job queues and containers give it less than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
