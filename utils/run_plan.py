"""What a run is to do, as phases: frozen, unfrozen, and the clean end."""

from dataclasses import dataclass

from utils.augment import Augmentation
from utils.optimizer import OptimizerName
from utils.phases import Phase, plan_phases
from utils.recipe import suggest_epochs, suggest_freeze_epochs
from utils.schedule import scale_learning_rate


@dataclass(frozen=True)
class PlanSettings:
    """What phases are made from; None lets the number of pictures decide.

    weights      "none", or what the run starts from
    freeze       what the first `freeze_epochs` freeze
    clean_share  share of the epochs, the last ones, without mosaic and its like
    lr           peak learning rate for a batch of 64
    """

    weights: str
    epochs: int | None
    freeze_epochs: int | None
    freeze: tuple[str, ...]
    freeze_batch_size: int
    batch_size: int
    clean_share: float
    optimizer: OptimizerName
    lr: float
    layer_decay: float


def plan_run(settings: PlanSettings, augmentation: Augmentation, images: int) -> tuple[Phase, ...]:
    """The phases of a run on so many images; says what it has chosen."""
    epochs, frozen_epochs = settings.epochs, settings.freeze_epochs
    if epochs is None:
        epochs = suggest_epochs(images)
        print(f"--epochs is not set: {epochs} for {images} images")
    if frozen_epochs is None:
        frozen_epochs = suggest_freeze_epochs(epochs, settings.weights != "none")
    frozen = _phase("frozen", settings, settings.freeze_batch_size, settings.freeze, augmentation, images)
    unfrozen = _phase("unfrozen", settings, settings.batch_size, (), augmentation, images)
    decay = f", and by {settings.layer_decay:g} for each stage from the head" * (settings.layer_decay != 1)
    print(f"learning rate: {settings.lr:g} for a batch of 64, scaled by each phase's batch{decay}")
    return plan_phases(epochs, frozen_epochs, settings.clean_share, frozen, unfrozen)


def _phase(
    name: str,
    settings: PlanSettings,
    batch_size: int,
    parts: tuple[str, ...],
    augmentation: Augmentation,
    images: int,
) -> Phase:
    batch = min(batch_size, images)
    return Phase(
        name, 0, batch, scale_learning_rate(settings.lr, batch, settings.optimizer), parts, augmentation
    )
