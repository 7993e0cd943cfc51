"""Train a detector: python train.py --train 2007_train.txt --val 2007_val.txt --classes my_classes.txt

Edit the values of `Config`, also of groups as in `PhaseSettings(epochs=100)`, or give them as flags. Without
data, a sample data set is drawn and trained on. The run's folder under logs/ gets weights, metrics, images.
"""

import utils.system.quiet_imports  # noqa: F401

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from tyro.conf import OmitArgPrefixes

from nets import LossSettings, Preset, preset, require_loss, stride_of
from nets.losses.common import LossOptions
from utils.augment.settings import Augmentation
from utils.augment.user_augmentation import read_user_augmentation
from utils.data.class_names import DEFAULT_CLASSES, read_classes
from utils.data.index import DatasetIndex
from utils.data.settings import DataSettings
from utils.data.types import Size
from utils.formats.data_source import absolute_spec
from utils.inference.detect import DetectSettings
from utils.models.choose import choose_model
from utils.models.summary import full_summary
from utils.run.cross_validation import cross_validate
from utils.run.find_run import run_to_resume
from utils.run.fit import fit
from utils.run.folder import create_run_folder, read_config, with_code_of
from utils.run.loggers import check_loggers
from utils.run.prepare import check_weights, open_folder, prepare_detector, read_run_data, weights_file
from utils.run.preview import save_previews
from utils.run.print_data import print_data
from utils.run.resume import plan_changes
from utils.run.run_evaluation import conclude
from utils.run.settings import Run, RunSettings
from utils.run.time_budget import time_limit
from utils.sample.settings import sample_changes
from utils.system.cli import ROOT, absolute_file, run
from utils.system.device import (
    check_compiler,
    choose_autocast,
    choose_device,
    describe_device,
    set_deterministic,
    to_device,
)
from utils.system.distributed import Processes, process_group, torchrun_processes
from utils.system.files import require_writable
from utils.system.memory import keep_freed_memory
from utils.system.settings import NonNegativeInt, PlainName, check_ranges, flat_values, with_values
from utils.system.validation import Preflight, check_image_size
from utils.train.auto_batch_size import with_measured_batch_sizes
from utils.train.auto_workers import measure_workers
from utils.train.class_weights import choose_class_weights
from utils.train.freezing import check_frozen
from utils.train.phases import PhasePlanner, plan_run
from utils.train.settings import MachineSettings, OptimizerSettings, PhaseSettings, TrainSettings
from utils.train.trainer import Trainer


@dataclass(frozen=True)
class Config:
    """Train a detector."""

    train: tuple[str, ...] = (str(ROOT / "2007_train.txt"),)  # data: list, VOC2007:train, COCO.json:images/
    val: tuple[str, ...] = (str(ROOT / "2007_val.txt"),)  # validation data, in the same forms
    test: tuple[str, ...] = ()  # data for the final evaluation of the best weights; default: --val
    classes: Path | None = None  # class names, one per line; default: the data's own, else the VOC classes
    data: OmitArgPrefixes[DataSettings] = DataSettings()  # what of the data is used
    model: str = "yolox_nano"  # model name, see docs/models.md; help lists them all
    backbone: str = ""  # replacement backbone: a name, or timm:NAME; help lists all
    neck: str = ""  # replacement neck
    head: str = ""  # replacement head
    anchors: str = ""  # anchor file (w,h, w,h, ..., finest level first); default: the model's own
    weights: str = "none"  # weights to start from: a file, none, or pretrained (published ones)
    image_size: Size | None = None  # input height and width in pixels; default: the model's own
    phases: OmitArgPrefixes[PhaseSettings] = PhaseSettings()  # epochs, freezing and batch sizes
    loss: OmitArgPrefixes[LossOptions] = LossOptions()  # box loss, label smoothing and focal loss
    class_weights: str = "none"  # class loss weights: none, auto (more for rare classes), or a file
    optimization: OmitArgPrefixes[OptimizerSettings] = OptimizerSettings()  # optimizer and learning rate
    augmentation: OmitArgPrefixes[Augmentation] = Augmentation()  # data augmentation
    machine: OmitArgPrefixes[MachineSettings] = MachineSettings()  # device, precision, workers and memory
    schedule: OmitArgPrefixes[RunSettings] = RunSettings()  # evaluation, checkpoints and logging
    output: Path = ROOT / "logs"  # parent folder of the run's folder
    name: PlainName = ""  # run name; default: date and time
    seed: NonNegativeInt = 0  # random seed: the same seed gives the same run
    resume: str = ""  # run folder to resume, or last; flags given override its settings
    summary: bool = False  # print the model's layers, size and FLOPs, and exit
    preview: bool = False  # save augmented example batches of each phase, and exit


def main(config: Config) -> None:
    """Train, then evaluate the best weights, in one process or in several started by torchrun."""
    if config.summary:
        print(summary_of(config))
        return
    processes = torchrun_processes()
    device = processes.device(choose_device(config.machine.device))
    folder = run_to_resume(config.resume, config.output)
    changes = changed_settings(config, folder) if folder else []
    keep_freed_memory()
    with process_group(processes, device):
        if folder:
            print(f"resuming {folder}, with its settings{' but ' if changes else ''}{', '.join(changes)}")
        with processes.first_then_others():  # the first may make the sample data set
            config = complete(config if folder else with_data(config))
        if config.data.cross_validation and not config.preview:
            cross_validate(config, folder, read_all_data(config), processes, device, train)
        else:
            train(config, folder, processes, device)


def train(config: Config, folder: Path | None, processes: Processes, device: torch.device) -> None:
    """Train, and evaluate the best weights; goes on with the run in `folder`, if given."""
    data, model, trainer, planner, config = prepare(config, processes, device)
    if config.preview:
        save_previews(trainer, create_run_folder(config.output, config.name))
        return
    with open_folder(trainer, data, flat_values(config), folder, planner) as (folder, progress):
        assert config.phases.batch_size != "auto"
        schedule = config.schedule.without_validation() if config.data.fold == "all" else config.schedule
        run = Run(folder, model, config.phases.batch_size, schedule, time_limit(planner, data))
        with trainer.keeping_images(config.machine.cache, folder / f"images_{processes.rank}.cache"):
            if config.machine.workers is None:
                measure_workers(trainer)
            fit(trainer, data["val"], run, progress)
            conclude(trainer, data.get("test", data["val"]), run)


def saved_config(config: Config) -> Config | None:
    """Return the settings of the run to resume, which flags can override."""
    folder = run_to_resume(config.resume, config.output)
    return with_code_of(config, read_config(folder, Config), folder) if folder else None


def changed_settings(config: Config, folder: Path) -> list[str]:
    """Return the settings changed since the run in `folder`, as text; ValueError if one may not change."""
    return plan_changes(flat_values(read_config(folder, Config)), flat_values(complete(config)), folder)


def with_data(config: Config) -> Config:
    """Return the configuration, changed to the sample data set if there is no data at all."""
    return with_values(config, sample_changes(flat_values(config), flat_values(Config()), ROOT / "VOCdevkit"))


def complete(config: Config) -> Config:
    """Return the configuration with defaults resolved, except the epochs, and with absolute paths.

    So the run can be resumed from any directory. ValueError for a value out of range.
    """
    check_ranges(config)
    only_train = config.data.folds and config.train != Config.train and config.val == Config.val
    return replace(
        config,
        train=tuple(map(absolute_spec, config.train)),
        val=() if only_train else tuple(map(absolute_spec, config.val)),
        test=tuple(map(absolute_spec, config.test)),
        classes=config.classes.absolute() if config.classes else None,
        anchors=str(Path(config.anchors).absolute()) if config.anchors else "",
        output=config.output.absolute(),
        weights=absolute_file(config.weights),
        class_weights=absolute_file(config.class_weights),
        image_size=config.image_size or preset(config.model).image_size,
        optimization=config.optimization.complete(),
        augmentation=config.augmentation.complete(),
    )


def prepare(
    config: Config, processes: Processes, device: torch.device
) -> tuple[dict[str, DatasetIndex], Preset, Trainer, PhasePlanner, Config]:
    """Read the data, and build the detector and its trainer; measure automatic batch sizes."""
    autocast = choose_autocast(config.machine.amp, device)
    set_deterministic(config.machine.deterministic)
    print(describe_device(device, autocast, processes.world_size))
    data = read_all_data(config)
    with processes.first_then_others():  # the first may download the weights
        config = replace(config, weights=weights_file(config.weights, config.model))
    torch.manual_seed(config.seed)
    model, loss = model_of(config), loss_of(config, data["train"])
    image_size = config.image_size or model.image_size
    detector = prepare_detector(model, data["train"], config.weights, image_size, loss)
    to_device(detector, device)
    images = len(data["train"])
    sizes = with_measured_batch_sizes(config.phases, detector, image_size, autocast, images, processes)
    config = replace(config, phases=sizes)
    planner = plan_run(sizes, config.optimization, config.augmentation, images, config.weights != "none")
    settings = TrainSettings(
        image_size=image_size,
        smallest=model.smallest,
        seed=config.seed,
        balance=config.data.balance,
        user_augmentation=read_user_augmentation(config.augmentation.augment_file),
        detect=DetectSettings(autocast=autocast),
        optimization=config.optimization,
        machine=config.machine,
    )
    trainer = Trainer(detector, data["train"], planner.first_phases(), settings, device, processes)
    return data, model, trainer, planner, config


def read_all_data(config: Config) -> dict[str, DatasetIndex]:
    """Read training, validation and test data; one error lists everything that is missing or wrong."""
    preflight = Preflight()
    with preflight.check():
        check_weights(config.weights, config.model)
    with preflight.check():
        if not config.resume:
            require_writable(config.output)
    with preflight.check():
        read_user_augmentation(config.augmentation.augment_file)
    with preflight.check():
        check_loggers(config.schedule.log)
        check_compiler(config.machine.compile, choose_device(config.machine.device).type == "cuda")
    specs = {name: getattr(config, name) for name in ("train", "val", "test")}
    data = read_run_data(specs, config.classes, DEFAULT_CLASSES, preflight, config.data)
    with preflight.check():
        model = model_of(config)
        check_image_size(config.image_size or model.image_size, stride_of(model), model.smallest)
        check_frozen(config.phases.freeze, model)
        require_loss(model, loss_of(config, data.get("train")))
    preflight.finish()
    print_data(data, config.data)
    return data


def model_of(config: Config) -> Preset:
    """Return the model with the parts set in the configuration."""
    return choose_model(config.model, config.backbone, config.neck, config.head, config.anchors)


def loss_of(config: Config, train: DatasetIndex | None) -> LossSettings:
    """Return the loss settings of the configuration; without data, no class weights."""
    class_weights = choose_class_weights(config.class_weights, train) if train else None
    return LossSettings(**vars(config.loss), class_weights=class_weights)


def summary_of(config: Config) -> str:
    """Return layers and cost of the model as text, for COCO's 80 classes if there is no class list."""
    model = model_of(config)
    image_size = config.image_size or model.image_size
    check_image_size(image_size, stride_of(model), model.smallest)
    classes = config.classes or DEFAULT_CLASSES
    return full_summary(model, len(read_classes(classes)) if classes.exists() else 80, image_size)


if __name__ == "__main__":
    run(main, Config, saved_config)
