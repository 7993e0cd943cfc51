"""Finds the run to resume: the run requested, or the run whose processes torchrun has restarted."""

from pathlib import Path

from utils.run.folder import LAST, PREVIOUS, has_checkpoint, is_cross_validation, resumed_with
from utils.system.distributed import recall, remember, restart_count

RUN_FOLDER = "run_folder"  # the name under which torchrun's store has it


def run_to_resume(resume: str, output: Path) -> Path | None:
    """Return the folder of the run to resume: the run of --resume, or the run that torchrun restarts."""
    if resume:
        return find_run(resume, output)
    restarted = folder_before_restart()
    folder = resumed_with(restarted) if restarted else None
    return folder if folder and can_be_resumed(folder) else None


def can_be_resumed(folder: Path) -> bool:
    """Return whether the folder is that of a run with a checkpoint, or of a cross-validation."""
    return has_checkpoint(folder) or is_cross_validation(folder)


def find_run(name: str, output: Path) -> Path:
    """Return the folder of the run to resume: a path, a name in `output`, or "last" for the newest there."""
    if name == "last":
        runs = [file for kind in (LAST, PREVIOUS) for file in output.glob(f"*/{kind}")]
        runs += [
            file
            for kind in (LAST, PREVIOUS)
            for file in output.glob(f"*/*/{kind}")
            if is_cross_validation(file.parents[1])
        ]
        if not runs:
            raise ValueError(f"--resume last: there is no run with a last.pt in {output}")
        return resumed_with(max(runs, key=lambda file: file.stat().st_mtime).parent)
    for folder in (Path(name), output / name):
        if can_be_resumed(folder):
            return folder
    raise ValueError(f"--resume {name}: there is no last.pt in {Path(name).absolute()} or {output / name}")


def remember_folder(folder: Path) -> None:
    """Tell the processes that torchrun may restart which folder the run has."""
    remember(RUN_FOLDER, str(folder.absolute()))


def folder_before_restart() -> Path | None:
    """Return the folder of the run, if torchrun has restarted its processes; None if there is none yet."""
    folder = recall(RUN_FOLDER) if restart_count() else None
    return Path(folder) if folder and Path(folder).is_dir() else None
