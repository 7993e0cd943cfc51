"""Checkpoints: all that is needed to resume training, or to predict, as plain data.

They hold only tensors and primitives, so loading them runs no code from the file
(`torch.load(path, weights_only=True)`). They include the states of all random number generators.
"""

import random
import shutil
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from utils.data.class_names import class_names_of
from utils.data.types import Size
from utils.system.files import replacing
from utils.system.schema import conform, shown
from utils.weights.checkpoint_schema import Checkpoint, naming
from utils.weights.thresholds import THRESHOLDS_KEY, Thresholds

REQUIRED = ("model", "ema", "optimizer", "epoch", "step", "class_names", "model_name", "image_size")
_PRIMITIVES = (bool, int, float, str, bytes, type(None))


def save_checkpoint(
    path: Path,
    *,
    model: Mapping[str, Tensor],
    ema: Mapping[str, Tensor] | None,
    optimizer: Mapping[str, Any] | None = None,
    epoch: int,
    step: int,
    class_names: Sequence[str],
    model_name: str,
    image_size: Size,
    keep: Path | None = None,
    **more: Any,
) -> None:
    """Write a checkpoint atomically; the previous file is moved to `keep`, if given.

    `model`, `ema` and `optimizer` are state dicts, saved in their precision; `more` holds anything else
    needed to resume. TypeError for values other than tensors and primitives, OSError if writing fails.
    """
    content = {
        "model": dict(model),
        "ema": None if ema is None else dict(ema),
        "optimizer": None if optimizer is None else dict(optimizer),
        "epoch": epoch,
        "step": step,
        "class_names": list(class_names),
        "model_name": model_name,
        "image_size": list(image_size),
        **more,
    }
    _check_plain("", content)
    with replacing(Path(path), keep) as beside:
        try:
            save_torch_file(content, beside)
        except OSError as error:
            free = shutil.disk_usage(beside.parent).free / 1e6
            reason = f"{error.strerror or error} ({free:.1f} MB are left on the disk)"
            raise OSError(f"{path} cannot be written: {reason}") from error


def save_torch_file(content: Any, path: Path) -> None:
    """Write a file by `torch.save`; OSError with the system's reason if that fails.

    torch raises an error of its own when writing ends midway, also for Ctrl+C.
    """
    with path.open("wb") as file:  # given only a path, torch would hide the reason
        try:
            torch.save(content, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError | KeyboardInterrupt):
                raise error.__context__ from None
            raise


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint of `save_checkpoint`, on the CPU.

    ValueError for other or damaged files, and for contents that `Checkpoint` does not allow.
    """
    path = Path(path)
    check_is_file(path)
    _refuse_compressed(path)
    if zipfile.is_zipfile(path) and not _checksums_match(path):
        raise ValueError(damaged(path))
    content = load_torch_file(path)
    if not isinstance(content, dict) or any(key not in content for key in REQUIRED):
        raise ValueError(
            f"{path} is no checkpoint that training can resume from: "
            "give it as --weights to start a new run from these weights"
        )
    with naming(path):
        conform(content, Checkpoint)
        content["class_names"] = list(class_names_of(content["class_names"], "class_names"))
    return content


def load_torch_file(path: Path, mmap: bool = False) -> Any:
    """Read a file that `torch.save` wrote, on the CPU; ValueError with the reason if it cannot be loaded.

    With `mmap`, tensors are read from disk when first used; the file must not change until then.
    """
    check_is_file(path)
    _refuse_compressed(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # of other pickle protocols, and of what is refused
            # Files from before torch 1.6 are not zip archives and cannot be memory-mapped.
            mmap = mmap and zipfile.is_zipfile(path)
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except Exception as error:  # invalid pickles raise anything from KeyError to OSError
        if "unsupported global" in str(error).lower() or "unsupported class" in str(error).lower():
            raise ValueError(
                f"{path} holds Python objects beside tensors, and loading those could run any code: "
                "if you trust the file, load it and save only model.state_dict() with torch.save"
            ) from None
        raise ValueError(damaged(path)) from None


def store_thresholds(path: Path, thresholds: Thresholds) -> None:
    """Write the thresholds into a checkpoint of `train.py`; everything else in it stays unchanged.

    ValueError for other files, which cannot store thresholds.
    """
    content = load_torch_file(path)
    names = content.get("class_names") if isinstance(content, dict) else None
    if not isinstance(names, list) or len(names) != len(thresholds.by_class):
        raise ValueError(
            f"{path} is not a checkpoint of train.py, so thresholds cannot be stored in it: "
            f"leave out --store-thresholds and predict with --confidence {thresholds.overall:.3f}"
        )
    content[THRESHOLDS_KEY] = {"overall": thresholds.overall, "by_class": list(thresholds.by_class)}
    with replacing(path) as beside:
        torch.save(content, beside)


def restore_module(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load a state dict of a checkpoint; ValueError, naming a tensor, if it is not the module's."""
    shapes = {name: tensor.shape for name, tensor in module.state_dict().items()}
    names = [*shapes, *(name for name in state if name not in shapes)]
    if other := [name for name in names if name not in state or state[name].shape != shapes.get(name)]:
        raise ValueError(f"{len(other)} tensors are not those of the model, such as {shown(other[0])}")
    module.load_state_dict(state)


def _checksums_match(path: Path) -> bool:
    """Return whether each file in the zip archive of torch.save matches its checksum (CRC-32).

    PyTorch does not verify checksums, and would load weights with flipped bits.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except Exception:  # damaged headers raise anything from BadZipFile to NotImplementedError
        return False


def _refuse_compressed(path: Path) -> None:
    """Raise ValueError for a zip archive with compressed files, which `torch.save` does not write.

    Memory-mapped, their bytes would be taken for weights; unpacked, a few MB can fill the memory.
    """
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            compressed = any(file.compress_type != zipfile.ZIP_STORED for file in archive.infolist())
    except Exception:  # as in `_checksums_match`; loading then says that the file is damaged
        return
    if compressed:
        raise ValueError(
            f"{path} is a compressed archive, not as torch.save wrote it: give the file that was packed, or "
            "save it again"
        )


def check_is_file(path: Path) -> None:
    """Raise ValueError with the absolute path if there is no such file, OSError if it may not be read."""
    if not path.is_file():
        kind = "is a folder, not a weights file" if path.is_dir() else "does not exist"
        raise ValueError(f"{path.absolute()} {kind}: check the path of the weights")
    path.open("rb").close()


def damaged(path: Path) -> str:
    """Return the message for a weights file that cannot be read."""
    return f"{path} is damaged, incomplete or not a weights file: download or save it again"


def _check_plain(name: str, value: Any) -> None:
    """Raise TypeError naming an entry that would not load with `weights_only=True`."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _check_plain(f"{name}.{key}" if name else str(key), item)
    elif type(value) in (list, tuple):
        for index, item in enumerate(value):
            _check_plain(f"{name}.{index}", item)
    elif not isinstance(value, Tensor) and type(value) not in _PRIMITIVES:
        # By type, not isinstance: numpy's float64 is a float, but is pickled as a numpy object.
        raise TypeError(
            f"checkpoint entry '{name}' is {type(value).__name__}: save tensors and primitives only"
        )


def random_state() -> dict[str, Any]:
    """Return the random states of Python, NumPy, torch and all GPUs, as tensors and primitives."""
    version, numbers, gauss = random.getstate()
    kind, key, *rest = np.random.get_state()  # noqa: NPY002, other code may use the global one
    return {
        "python": [version, list(numbers), gauss],
        "numpy": [kind, torch.from_numpy(np.array(key, np.int64)), *rest],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random_state(state: Mapping[str, Any]) -> None:
    """Restore the random states; on GPUs only if their number is the same. ValueError if one cannot be."""
    version, numbers, gauss = state["python"]
    kind, key, *rest = state["numpy"]
    try:
        random.setstate((version, tuple(numbers), gauss))
        np.random.set_state((kind, key.numpy().astype(np.uint32), *rest))  # noqa: NPY002
        torch.set_rng_state(state["torch"])
        if torch.cuda.is_available() and torch.cuda.device_count() == len(state["cuda"]):
            torch.cuda.set_rng_state_all(state["cuda"])
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise ValueError(f"random: no state of a random number generator ({error})") from None
