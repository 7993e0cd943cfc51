"""Find training settings on your data: python tune.py --train 2007_train.txt --val 2007_val.txt --minutes 60

Tries settings by successive halving within the budget, trains the best ones and the defaults with other
seeds, and says whether they are better. The search's folder under logs/ gets trials, plots and the result.
"""

import utils.system.quiet_imports  # noqa: F401

import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from nets import preset, stride_of
from utils.data.class_names import DEFAULT_CLASSES
from utils.data.index import DatasetIndex
from utils.data.summary import data_line
from utils.data.types import Size
from utils.formats.data_source import absolute_spec
from utils.run.folder import read_config, write_config
from utils.run.prepare import check_weights, read_run_data, weights_file
from utils.system.cli import ROOT, absolute_file, run
from utils.system.files import require_writable
from utils.system.lock import folder_lock
from utils.system.settings import (
    NonNegativeInt,
    PlainName,
    PositiveFloat,
    PositiveInt,
    check_ranges,
    flat_values,
)
from utils.system.signals import Stopped
from utils.system.validation import Preflight, check_image_size, require_packages
from utils.train.defaults import suggest_epochs
from utils.tune.base_settings import BaseSettings, parse_flags, require_code_given
from utils.tune.budget import USED, Budget, rung_epochs
from utils.tune.comparison import Comparison, compare, optimism
from utils.tune.decision import SeedCount
from utils.tune.folder import create_folder, find_folder, require_same
from utils.tune.outcome import best_of, defaults_of
from utils.tune.plot import plot_search
from utils.tune.report import command_of, trials_table, write_result, write_trials
from utils.tune.search import Plan, epochs_text, search
from utils.tune.search_space import Dimension, flags_of, plan_space
from utils.tune.study import open_study
from utils.tune.trainings import Trainer, clear_trainings


@dataclass(frozen=True)
class Config:
    """Find training settings on your own data, within a budget of minutes."""

    train: tuple[str, ...] = (str(ROOT / "2007_train.txt"),)  # data: list, VOC2007:train, COCO.json:images/
    val: tuple[str, ...] = (str(ROOT / "2007_val.txt"),)  # validation data, by which settings are chosen
    test: tuple[str, ...] = ()  # data on which settings found and defaults are compared; default: --val
    classes: Path | None = None  # class names, one per line; default: the data's own, else the VOC classes
    model: str = "yolox_nano"  # model name, see docs/models.md
    weights: str = "none"  # weights to start from: a file, none, or pretrained (published ones)
    image_size: Size | None = None  # input height and width in pixels; default: the model's own
    epochs: PositiveInt | None = None  # epochs of a whole training; default: depends on the number of images
    flags: str = ""  # more flags of train.py for all trainings, such as --flags="--flip 0"
    search: tuple[str, ...] = ()  # settings to search, such as lr mosaic; default: utils/tune/search_space.py
    minutes: PositiveFloat = 60.0  # budget for everything: the search, and the comparison with the defaults
    seeds: SeedCount = 3  # trainings of the comparison with the settings found, and with the defaults
    output: Path = ROOT / "logs"  # parent folder of the search's folder
    name: PlainName = ""  # name of the search; default: date and time
    seed: NonNegativeInt = 0  # random seed of the trials; the comparison has the seeds after it
    resume: str = ""  # folder of a search to go on with; --minutes and --seeds may change


def main(config: Config) -> None:
    """Search, compare the best settings with the defaults, and write what was found."""
    require_packages("tune.py", "optuna")
    config = with_absolute_paths(config)
    base = parse_flags(config.flags)
    data = read_data(config, base)
    epochs = config.epochs or suggest_epochs(len(data["train"]))
    config = replace(config, epochs=epochs, weights=weights_file(config.weights, config.model))
    fixed_loss = preset(config.model).builder is not None
    space = plan_space(config.search, base, epochs, config.weights != "none", fixed_loss)
    folder = find_folder(config.resume, config.output) if config.resume else None
    if folder:
        require_same(flat_values(read_config(folder, Config)), flat_values(config), folder, data)
    folder = folder or create_folder(config.output, config.name)
    with folder_lock(folder):
        clear_trainings(folder)
        write_config(folder, flat_values(config), data)
        try:
            tune(config, base, space, folder)
        except Stopped as stopped:
            go_on = f"go on with: python tune.py --resume {folder}"
            raise Stopped(stopped.exit_status, f"{stopped}; {go_on}") from None


def saved_config(config: Config) -> Config | None:
    """Return the settings of the search to resume, which flags can override."""
    if not config.resume:
        return None
    folder = find_folder(config.resume, config.output)
    saved = read_config(folder, Config)
    require_code_given(config.flags, saved.flags, folder)
    return saved


def with_absolute_paths(config: Config) -> Config:
    """Return the configuration with absolute paths, so that the search can go on from any directory."""
    check_ranges(config)
    if not (config.train and config.val):
        raise ValueError("--train and --val each name at least one data set")
    return replace(
        config,
        train=tuple(map(absolute_spec, config.train)),
        val=tuple(map(absolute_spec, config.val)),
        test=tuple(map(absolute_spec, config.test)),
        classes=config.classes.absolute() if config.classes else None,
        output=config.output.absolute(),
        weights=absolute_file(config.weights),
        image_size=config.image_size or preset(config.model).image_size,
    )


def read_data(config: Config, base: BaseSettings) -> dict[str, DatasetIndex]:
    """Read all data sets; one error lists everything that is missing or wrong."""
    preflight = Preflight()
    with preflight.check():
        check_weights(config.weights, config.model)
    with preflight.check():
        require_writable(config.output)
    with preflight.check():
        model = preset(config.model)
        check_image_size(config.image_size or model.image_size, stride_of(model), model.smallest)
    specs = {"train": config.train, "val": config.val, "test": config.test}
    data = read_run_data(specs, config.classes, DEFAULT_CLASSES, preflight, base.data)
    preflight.finish()
    for name, index in data.items():
        print(f"{name}: {data_line(index)}")
    return data


def tune(config: Config, base: BaseSettings, space: list[Dimension], folder: Path) -> None:
    """Search in `folder`, or go on there, and report."""
    assert config.epochs
    budget = Budget(folder / USED, config.minutes)
    trainer = Trainer(
        (*data_flags(config), *shlex.split(config.flags)),
        base,
        config.epochs,
        config.test or config.val,
        folder,
        budget,
    )
    plan = Plan(space, rung_epochs(config.epochs), config.seeds, config.seed)
    study = open_study(folder, space)
    print(describe(config, plan, budget), flush=True)
    outcomes = search(study, plan, trainer, budget)
    write_trials(folder / "trials.csv", outcomes, space, plan.rungs)
    plot_search(folder / "importance.png", outcomes, space, plan.rungs)
    print(f"\n{trials_table(outcomes, space, plan.rungs)}\n", flush=True)
    best = best_of(outcomes)
    assert best is not None
    comparison: Comparison | None = None
    if best.params == defaults_of(space):
        print("no trial was better than the defaults on the validation data. Keep the defaults")
    else:
        print(f"trial {best.number + 1} against the defaults, {optimism(config.test)}:", flush=True)
        comparison = compare(study, best, plan, trainer, budget)
        print(f"\n{comparison.text()}")
    found = comparison is not None and comparison.better
    flags = flags_of(best.params, base, config.epochs) if found else []
    command = command_of([*trainer.flags, *test_flags(config), "--epochs", str(config.epochs), *flags])
    write_result(folder / "result.json", best, comparison, command, trainer.data)
    budget.save()
    print(
        f"\n{budget.used / 60:.1f} of {config.minutes:g} minutes used; "
        f"wrote trials.csv, importance.png and result.json in {folder}"
    )
    print(f"train with {'the settings found' if found else 'the defaults'}:\n  {command}")


def describe(config: Config, plan: Plan, budget: Budget) -> str:
    """Return what will be done, and how long it may take."""
    names = ", ".join(each.name for each in plan.space)
    *shorter, whole = plan.rungs
    rungs = "".join(f"{epochs}, then " for epochs in shorter) + epochs_text(whole)
    stops = ", and stops unless it is in the best third so far" if shorter else ""
    return (
        f"search over {names}; first the defaults\n"
        f"each trial trains anew for {rungs}{stops}\n"
        f"then the best settings and the defaults train for {epochs_text(whole)} with {plan.seeds} seeds\n"
        f"all within {config.minutes:g} minutes, {budget.text()}"
    )


def data_flags(config: Config) -> list[str]:
    """Return the flags of train.py for data, model and weights."""
    assert config.image_size
    flags = ["--train", *config.train, "--val", *config.val]
    flags += ["--classes", str(config.classes)] if config.classes else []
    height, width = map(str, config.image_size)
    return [*flags, "--model", config.model, "--weights", config.weights, "--image-size", height, width]


def test_flags(config: Config) -> list[str]:
    """Return the flags of train.py for the test data."""
    return ["--test", *config.test] if config.test else []


if __name__ == "__main__":
    run(main, Config, saved_config)
