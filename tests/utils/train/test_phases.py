"""The phases of a run, and freezing."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.utils.train.tiny_training import PHASE, copied, drawn_index, make_trainer, same_bits, train_epoch
from utils.augment.settings import NO_AUGMENTATION, Augmentation
from utils.train.phases import (
    Phase,
    PhasePlanner,
    apply_freezing,
    phase_at,
    plan_run,
    scale_learning_rate,
)
from utils.train.settings import OptimizerSettings, PhaseSettings

VARIED = Augmentation(mosaic=1.0, mixup=0.5)
FROZEN = Phase("frozen", 0, 16, 0.02, ("backbone",), VARIED)
UNFROZEN = Phase("unfrozen", 0, 8, 0.01, (), VARIED)

SGD = OptimizerSettings("sgd")  # .08 for a batch of 64


def plan_phases(epochs, freeze_epochs, clean_share, frozen, unfrozen):
    settings = PhaseSettings(freeze_epochs=freeze_epochs, clean_share=clean_share)
    planner = PhasePlanner(frozen, unfrozen, settings, images=100, from_weights=True)
    return planner.phases(planner.lengths(epochs))


def plan(epochs, freeze_epochs, clean_share):
    """Return epochs, frozen parts and mosaic probability of each phase."""
    phases = plan_phases(epochs, freeze_epochs, clean_share, FROZEN, UNFROZEN)
    return [(phase.epochs, phase.frozen, phase.augmentation.mosaic) for phase in phases]


BACKBONE = ("backbone",)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((10, 4, 0.3), [(4, BACKBONE, 1), (3, (), 1), (3, (), 0)]),
        ((10, 0, 0.3), [(7, (), 1), (3, (), 0)]),
        ((10, 8, 0.3), [(7, BACKBONE, 1), (1, BACKBONE, 0), (2, (), 0)]),
        ((10, 10, 0.0), [(10, BACKBONE, 1)]),
        ((10, 0, 1.0), [(10, (), 0)]),
        ((1, 0, 0.3), [(1, (), 1)]),
    ],
)
def test_splits_by_hand(arguments, expected):
    assert plan(*arguments) == expected


@given(st.integers(1, 300), st.data())
def test_phases_make_up_the_run(epochs, data):
    freeze, share = data.draw(st.integers(0, epochs)), data.draw(st.floats(0, 1))
    phases = plan_phases(epochs, freeze, share, FROZEN, UNFROZEN)
    assert sum(phase.epochs for phase in phases) == epochs and all(phase.epochs > 0 for phase in phases)
    assert sum(phase.epochs for phase in phases if phase.frozen) == freeze
    by_epoch = [phase_at(phases, epoch) for epoch in range(epochs)]
    clean = [phase.augmentation.mosaic == phase.augmentation.mixup == 0 for phase in by_epoch]
    assert clean == sorted(clean) and sum(clean) == round(epochs * share)
    assert {(phase.batch_size, phase.learning_rate) for phase in phases if phase.frozen} <= {(16, 0.02)}


@pytest.mark.parametrize("freeze", [-1, 11])
def test_freezing_longer_than_the_run_is_refused(freeze):
    with pytest.raises(
        ValueError, match=f"--freeze-epochs {freeze} is not within 0 and --epochs, which is 10"
    ):
        plan_phases(10, freeze, 0.3, FROZEN, UNFROZEN)


def test_an_epoch_beyond_the_run_is_a_defect():
    phases = plan_phases(4, 2, 0.0, FROZEN, UNFROZEN)
    assert [phase_at(phases, epoch).name for epoch in range(4)] == ["frozen"] * 2 + ["unfrozen"] * 2
    with pytest.raises(AssertionError):
        phase_at(phases, 4)


def test_description_says_what_trains():
    text = replace(FROZEN, epochs=3).describe()
    assert "3 epochs, batch 16" in text and "0.02" in text
    assert "trains neck, head; backbone frozen" in text and "mosaic 1, mixup 0.5" in text
    plain = replace(UNFROZEN, epochs=1, augmentation=NO_AUGMENTATION).describe()
    assert "nothing frozen" in plain and "no augmentation" in plain and "mosaic" not in plain


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return drawn_index(tmp_path_factory.mktemp("drawn"))


def test_frozen_parts_do_not_move_at_all(index):
    """Neither weights nor BatchNorm statistics, through weight decay, momentum and an evaluation between."""
    frozen = replace(PHASE, epochs=2, frozen=("backbone",))
    trainer = make_trainer(index, [frozen, PHASE])
    before = copied(trainer.detector.state_dict())
    for phase, moving in ((frozen, {"neck", "head"}), (PHASE, {"backbone", "neck", "head"})):
        for epoch in range(phase.epochs):
            train_epoch(trainer, phase, epoch)
            trainer.detector.eval()
            for state in (trainer.detector.state_dict(), trainer.ema.module.state_dict()):
                moved = {name for name in before if not torch.equal(before[name], state[name])}
                assert {name.split(".")[0] for name in moved} == moving
                for part in moving:  # parameters and statistics
                    own = [name for name in moved if name.startswith(part)]
                    assert any(name.endswith("conv.weight") for name in own)
                    assert any(name.endswith("running_mean") for name in own)
    assert not same_bits(before, trainer.detector.state_dict())


def test_freezing_can_be_taken_back(index):
    detector = make_trainer(index).detector
    apply_freezing(detector, replace(UNFROZEN, frozen=("backbone", "neck")))
    assert {p.requires_grad for p in detector.backbone.parameters()} == {False}
    assert not detector.neck.training and detector.head.training
    apply_freezing(detector, replace(UNFROZEN, frozen=("neck",)))
    assert {p.requires_grad for p in detector.backbone.parameters()} == {True}
    assert all(module.training for module in detector.backbone.modules())
    assert not any(module.training for module in detector.neck.modules())


def test_what_newly_trains_warms_up_again(index):
    # 4 images, batches of 2: 2 steps an epoch. The head warms up at steps 0 and 1, the backbone at 4 and 5.
    frozen = replace(PHASE, epochs=2, frozen=("backbone",), learning_rate=0.02)
    trainer = make_trainer(index, [frozen, replace(PHASE, epochs=2)], lr_decay="constant")
    assert [trainer.schedule.first_step(part) for part in ("backbone", "neck", "head")] == [4, 0, 0]
    rates = []
    for step in range(4, 8):
        trainer.schedule.set_learning_rates(PHASE, step)
        by_part = {group["part"]: group["lr"] for group in trainer.optimizer.param_groups}
        rates.append((by_part["backbone"], by_part["head"]))
    # (1/2)^2 of .01 at the backbone's first step, then all of it; the head stays at its peak.
    assert rates == [(pytest.approx(0.0025), 0.01), (0.01, 0.01), (0.01, 0.01), (0.01, 0.01)]


def first_phases(settings, images, from_weights, optimization=SGD):
    return plan_run(settings, optimization, Augmentation(), images, from_weights).first_phases()


def test_from_scratch_nothing_is_frozen_and_epochs_follow_the_images(capsys):
    phases = first_phases(PhaseSettings(), 200, from_weights=False)  # 12,000 shown in all
    assert [(phase.name, phase.epochs) for phase in phases] == [("unfrozen", 42), ("unfrozen, clean", 18)]
    said = capsys.readouterr().out
    assert "--epochs is not set: 60 for 200 images" in said
    assert "learning rate: 0.08 for a batch of 64, scaled by each phase's batch size\n" in said


def test_from_weights_a_fifth_is_frozen(capsys):
    optimization = replace(SGD, layer_decay=0.8)
    phases = first_phases(PhaseSettings(epochs=10), 200, True, optimization)
    assert [(phase.name, phase.epochs) for phase in phases] == [
        ("frozen", 2),
        ("unfrozen", 5),
        ("unfrozen, clean", 3),
    ]
    assert phases[0].frozen == ("backbone",) and phases[1].frozen == ()
    assert [phase.batch_size for phase in phases] == [16, 8, 8]
    assert phases[0].learning_rate == pytest.approx(0.02) and phases[1].learning_rate == pytest.approx(0.01)
    assert "and by 0.8 for each stage away from the head" in capsys.readouterr().out


def test_a_batch_is_no_larger_than_the_data():
    phases = first_phases(PhaseSettings(epochs=4, freeze_epochs=2), 5, from_weights=True)
    assert {phase.batch_size for phase in phases} == {5}
    assert phases[0].learning_rate == pytest.approx(0.08 * 5 / 64)


def test_rate_is_in_proportion_to_the_batch():
    assert scale_learning_rate(0.04, 64, "sgd") == scale_learning_rate(0.04, 64, "adamw") == 0.04
    assert scale_learning_rate(0.04, 8, "sgd") == pytest.approx(0.005)  # an eighth
    assert scale_learning_rate(0.04, 8, "sgd", nominal_batch=16) == pytest.approx(0.02)
    for optimizer in ("adamw", "muon"):
        assert scale_learning_rate(0.04, 16, optimizer) == pytest.approx(0.02)  # the root of a quarter
