"""Train a detector: python train.py --train 2007_train.txt --val 2007_val.txt --classes my_classes.txt

Edit the values below or give them as flags. Without any data, a sample data set is drawn and trained on.
The run's folder under logs/ gets the weights (best.pt, last.pt), figures, curves and images.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from nets import LossSettings, Preset, preset, require_loss, stride_of
from nets.common.detector import Detector
from nets.losses.common import BoxLoss
from utils.augment.settings import Augmentation
from utils.data.class_names import read_classes
from utils.data.index import DatasetIndex
from utils.formats.read_data import absolute_spec
from utils.inference.detect import DetectSettings
from utils.loader.image_cache import Cache
from utils.models.choose import choose_model
from utils.models.summary import full_summary
from utils.run.failures import require_room
from utils.run.fit import fit
from utils.run.folder import changed_data, create_run_folder, read_config, write_config
from utils.run.loggers import LogName, check_loggers
from utils.run.prepare import check_settings, check_weights, prepare_detector, read_run_data, weights_file
from utils.run.preview import save_previews
from utils.run.resume import Progress, RunSettings, find_run, plan_changes, restore_run
from utils.run.run_evaluation import conclude
from utils.sample.settings import sample_changes
from utils.system.cli import ROOT, absolute_file, alike, run
from utils.system.device import (
    Amp,
    Compiling,
    check_compiler,
    choose_autocast,
    choose_device,
    choose_kernels,
    describe_device,
    to_device,
)
from utils.system.distributed import Processes, place_among_processes, process_group, restarts
from utils.system.memory import keep_freed_memory
from utils.system.validation import Preflight, check_image_size
from utils.train.auto_batch_size import measured_batch_size
from utils.train.class_weights import choose_class_weights
from utils.train.defaults import DEFAULT_LEARNING_RATE, DEFAULT_WEIGHT_DECAY
from utils.train.freezing import check_frozen
from utils.train.lr_schedule import Decay
from utils.train.optimizer import OptimizerName
from utils.train.phases import PlanSettings, plan_run
from utils.train.settings import TrainSettings
from utils.train.trainer import Trainer

DEFAULT_CLASSES = ROOT / "model_data" / "voc_classes.txt"
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Config:
    """Train a detector."""

    train: tuple[str, ...] = (str(ROOT / "2007_train.txt"),)  # lists, VOC2007:train, a.json:images/, ...
    val: tuple[str, ...] = (str(ROOT / "2007_val.txt"),)  # validation data, in the same forms
    test: tuple[str, ...] = ()  # what the best weights are measured on at the end, in the same forms
    classes: Path | None = None  # class names, one a line; by default the data's own, else voc_classes.txt
    model: str = "yolox_nano"  # a name of docs/models.md; a wrong one lists them all
    backbone: str = ""  # another backbone for the model, or timm:NAME; a wrong name lists them all
    neck: str = ""  # another neck
    head: str = ""  # another head
    anchors: str = ""  # a file of anchors, w,h, w,h, ..., finest level first; by default the model's own
    weights: str = "none"  # a file to start from, none, or pretrained: the model's published weights
    image_size: tuple[int, int] | None = None  # height and width of the input; by default the model's own
    epochs: int | None = None  # passes over the training data; by default chosen by its size
    freeze_epochs: int | None = None  # first of them, with parts frozen; by default a fifth, 0 from scratch
    freeze: tuple[str, ...] = ("backbone",)  # what then: backbone, neck, head; backbone:2 its first 2 stages
    batch_size: int | Literal["auto"] = 8  # images a step; auto measures what is fast and fits
    freeze_batch_size: int | Literal["auto"] = 16  # while parts are frozen; auto: twice the other
    batch_parts: int = 1  # parts a batch is worked through in; more need less memory, and are set on need
    box_loss: BoxLoss | None = None  # iou, giou, diou, ciou or siou; by default the head's own
    label_smoothing: float = 0.0  # how far class targets move from 0 and 1 towards one half
    focal: bool = False  # let what is told well already count less, in classes and objectness
    class_weights: str = "none"  # what objects count by class: none, auto (rare ones more), or a file
    optimizer: OptimizerName = "adamw"  # sgd, adamw or muon
    lr: float | None = None  # peak learning rate for a batch of 64; by default the optimizer's
    layer_decay: float = 1.0  # what the rate is multiplied by with each stage away from the head
    momentum: float = 0.9  # of SGD and Muon; the first beta of AdamW
    weight_decay: float | None = None  # not on BatchNorm and biases; by default the optimizer's
    lr_decay: Decay = "cosine"  # how the learning rate falls
    warmup_epochs: float = 1.0  # how long the rate of a part rises when it starts to train
    clip: float = 0.0  # largest norm of the gradient; 0 does not clip
    ema: bool = True  # average the weights over steps, evaluate and save the average
    mosaic: float = 1.0  # probability that four images make one sample
    mixup: float = 0.0  # probability that a mosaic is blended with another image
    scale: tuple[float, float] = (0.5, 1.5)  # smallest and largest zoom of an image
    translate: float = 0.1  # largest shift, as a fraction of the input
    rotation: float = 0.0  # largest turn of an image either way, in degrees
    shear: float = 0.0  # largest lean of an image's sides either way, in degrees
    flip: float = 0.5  # probability of mirroring left to right
    hue: float = 0.015  # largest shift of the hue
    saturation: float = 0.7  # largest change of the saturation
    brightness: float = 0.4  # largest change of the brightness
    copy_paste: float = 0.0  # probability that objects of other images are pasted into a sample
    cut_out: float = 0.0  # probability that a rectangle of a sample is covered
    multi_scale: float = 0.0  # largest relative change of the input's size from step to step
    clean_share: float = 0.3  # last share of the epochs, without mosaic, mixup, copy-paste and cut-out
    workers: int | None = None  # processes that load images; by default as many as measured to help
    cache: Cache = "auto"  # keep decoded images: ram, disk, off, or auto: in memory if they fit
    device: str = "auto"  # auto, cpu, cuda or cuda:0
    sync_bn: bool = True  # with several processes, BatchNorm over the whole batch
    amp: Amp = "auto"  # 16-bit floats where they are fast: auto, off, bf16 or fp16
    compile: Compiling = "off"  # compile the step: off, on, or graphs (on a GPU, as CUDA graphs)
    deterministic: bool = False  # on a GPU, kernels that give the same bits each time, if slower
    eval_period: int = 1  # epochs between evaluations
    save_period: int = 0  # epochs between extra checkpoints epoch_NNN.pt; 0 for none
    save_steps: int = 0  # steps between saves of last.pt within an epoch; 0 saves it after each epoch
    patience: int = 0  # evaluations without a better mAP before stopping; 0 never stops early
    log: tuple[LogName, ...] = ("tensorboard",)  # where figures go: tensorboard, wandb, mlflow, or none
    output: Path = ROOT / "logs"  # where the run's folder is made
    name: str = ""  # the run's name; by default the date and time
    seed: int = 0  # the same seed gives the same run
    resume: str = ""  # a run's folder, or last: continue it with its settings, but for flags given
    summary: bool = False  # print what the model is made of, and what it costs, and stop
    preview: bool = False  # write images of augmented batches of each phase, and stop


def main(config: Config) -> None:
    """Prepare, train, and measure the best weights; one process, or several that torchrun started."""
    if config.summary:
        print(summary_of(config))
        return
    processes = place_among_processes()
    device = processes.device(choose_device(config.device))
    folder = resumed_run(config)
    changes = (
        plan_changes(asdict(read_config(folder, Config)), asdict(complete(config)), folder) if folder else []
    )
    keep_freed_memory()
    with process_group(processes, device):
        if folder:
            print(f"resuming {folder}, with its settings{' but ' if changes else ''}{', '.join(changes)}")
        train(config, processes, device, folder)


def resumed_run(config: Config) -> Path | None:
    """The folder of the run that goes on: the one asked for, or the one that torchrun starts again."""
    again = config.resume or (config.name or "last" if restarts() else "")
    return find_run(again, config.output) if again else None


def saved_config(config: Config) -> Config | None:
    """The settings of the run that goes on, which flags can change."""
    folder = resumed_run(config)
    return read_config(folder, Config) if folder else None


def train(config: Config, processes: Processes, device: torch.device, folder: Path | None) -> None:
    """What every process does, for a new run or the one in `folder`; the first prints, and writes files."""
    with processes.one_after_another():  # the first may draw the sample data
        config = complete(config if folder else with_data(config))
    settings = settings_of(config, device)
    choose_kernels(config.deterministic)
    print(describe_device(device, settings.detect.autocast, processes.size))
    data = read_all_data(config)
    with processes.one_after_another():  # the first may download them
        config = replace(config, weights=weights_file(config.weights, config.model))
    torch.manual_seed(config.seed)
    model = model_of(config)
    assert config.image_size is not None
    loss = loss_of(config, data["train"])
    detector = prepare_detector(model, data["train"], config.weights, config.image_size, loss)
    to_device(detector, device)
    config = with_batch_size(config, detector, settings, len(data["train"]), processes)
    augmentation = Augmentation(**alike(config, Augmentation))
    phases = plan_run(PlanSettings(**alike(config, PlanSettings)), augmentation, len(data["train"]))
    trainer = Trainer(detector, data["train"], phases, settings, device, processes)
    if config.preview:
        save_previews(trainer, create_run_folder(config.output, config.name))
        return
    progress = Progress()
    if folder:
        changed = changed_data(folder, data)
        for name in changed:
            print(f"note: the {name} data is not what it was before")
        progress = restore_run(trainer, folder, same_images="train" not in changed)
    elif processes.first:
        kept = config.save_period and sum(phase.epochs for phase in phases) // config.save_period
        require_room(trainer, config.output, kept)
        folder = create_run_folder(config.output, config.name)
    if folder and processes.first:
        write_config(folder, asdict(config), data)
    folder = processes.from_first(folder)
    assert folder is not None
    print(f"run folder: {folder}")
    own = {"folder": folder, "model": model, "eval_batch_size": config.batch_size}
    run_settings = RunSettings(**alike(config, RunSettings) | own)
    with trainer.keeping_images(config.cache, folder / f"images_{processes.rank}.cache"):
        if config.workers is None:
            trainer.measure_workers()
        fit(trainer, data["val"], run_settings, progress)
        conclude(trainer, data.get("test", data["val"]), run_settings)


def with_batch_size(
    config: Config, detector: Detector, settings: TrainSettings, images: int, processes: Processes
) -> Config:
    """The configuration with numbers for its batch sizes."""
    batch, frozen = config.batch_size, config.freeze_batch_size
    if "auto" in (batch, frozen):
        measured = measured_batch_size(
            detector, settings.image_size, settings.detect.autocast, images, processes
        )
        batch = measured if batch == "auto" else batch
        frozen = 2 * measured if frozen == "auto" else frozen
    return replace(config, batch_size=batch, freeze_batch_size=frozen)


def with_data(config: Config) -> Config:
    """The configuration itself, or one for the sample data set where there is no data at all."""
    return replace(config, **sample_changes(asdict(config), asdict(Config()), ROOT / "VOCdevkit"))


def complete(config: Config) -> Config:
    """The configuration with a value for each open choice but the epochs, and with absolute paths.

    So the run can be resumed from any directory. ValueError for a value out of its range.
    """
    check_settings(asdict(config))
    if not (config.train and config.val):
        raise ValueError("--train and --val each name at least one data set")
    rate, decay = DEFAULT_LEARNING_RATE[config.optimizer], DEFAULT_WEIGHT_DECAY[config.optimizer]
    return replace(
        config,
        train=tuple(map(absolute_spec, config.train)),
        val=tuple(map(absolute_spec, config.val)),
        test=tuple(map(absolute_spec, config.test)),
        classes=config.classes.absolute() if config.classes else None,
        anchors=str(Path(config.anchors).absolute()) if config.anchors else "",
        output=config.output.absolute(),
        weights=absolute_file(config.weights),
        class_weights=absolute_file(config.class_weights),
        image_size=config.image_size or preset(config.model).image_size,
        lr=rate if config.lr is None else config.lr,
        weight_decay=decay if config.weight_decay is None else config.weight_decay,
    )


def read_all_data(config: Config) -> dict[str, DatasetIndex]:
    """Read training, validation and test data; one error names everything that is missing."""
    preflight = Preflight()
    with preflight.check():
        check_weights(config.weights, config.model)
    with preflight.check():
        check_loggers(config.log)
        check_compiler(config.compile, choose_device(config.device).type == "cuda")
    specs = {name: getattr(config, name) for name in SPLITS}
    data = read_run_data(specs, config.classes, DEFAULT_CLASSES, preflight)
    with preflight.check():
        model = model_of(config)
        check_image_size(config.image_size or model.image_size, stride_of(model), model.smallest)
        check_frozen(config.freeze, model)
        require_loss(model, loss_of(config, data.get("train")))
    preflight.finish()
    for name, index in data.items():
        print(f"{name}: {len(index)} images, {len(index.labels)} objects of {len(index.class_names)} classes")
    return data


def model_of(config: Config) -> Preset:
    """The model with the parts that the configuration chooses."""
    return choose_model(config.model, config.backbone, config.neck, config.head, config.anchors)


def loss_of(config: Config, train: DatasetIndex | None) -> LossSettings:
    """What the configuration chooses of the loss; without data, classes have no weights."""
    class_weights = choose_class_weights(config.class_weights, train) if train else None
    return LossSettings(config.box_loss, config.label_smoothing, config.focal, class_weights)


def summary_of(config: Config) -> str:
    """What the model is made of and what it costs; for COCO's 80 classes where there is no class list."""
    model = model_of(config)
    image_size = config.image_size or model.image_size
    check_image_size(image_size, stride_of(model), model.smallest)
    classes = config.classes or DEFAULT_CLASSES
    return full_summary(model, len(read_classes(classes)) if classes.exists() else 80, image_size)


def settings_of(config: Config, device: torch.device) -> TrainSettings:
    """What the training loop needs of the configuration."""
    detect = DetectSettings(autocast=choose_autocast(config.amp, device))
    known = alike(config, TrainSettings) | {"workers": config.workers or 0}
    return TrainSettings(**known, smallest=preset(config.model).smallest, detect=detect)


if __name__ == "__main__":
    run(main, Config, saved_config)
