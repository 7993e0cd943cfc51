"""What is frozen stays as it is bit for bit, and all else moves."""

import hashlib
from dataclasses import replace

import pytest
import torch
from torch import nn

from nets import build_detector, preset
from nets.inspect.stages import stages_of
from tests.utils.train.tiny_training import PHASE, drawn_index, make_trainer, train
from utils.train.freezing import check_frozen, describe_frozen, freeze, is_frozen


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return drawn_index(tmp_path_factory.mktemp("drawn"))


def hashes(detector):
    """Of weights and buffers of each stage, and of neck and head."""
    found = {}
    for stage in stages_of(detector):
        digest = hashlib.sha256()
        for module in stage.modules:
            for value in module.state_dict().values():
                digest.update(value.contiguous().numpy().tobytes())
        found[stage.name] = digest.hexdigest()
    return found


STAGES = ["backbone.stem", *(f"backbone.stage{number}" for number in range(1, 5))]
CASES = {
    ("backbone",): STAGES,
    ("backbone:1",): STAGES[:1],
    ("backbone:3",): STAGES[:3],
    ("backbone:5",): STAGES,
    ("backbone:2", "backbone"): STAGES,
    ("neck",): ["neck"],
    ("head", "backbone:4"): [*STAGES[:4], "head"],
    ("backbone", "neck"): [*STAGES, "neck"],
    ("neck", "head"): ["neck", "head"],
}


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
@pytest.mark.parametrize("frozen", CASES, ids=" ".join)
def test_the_frozen_stay_and_the_others_move(index, frozen, optimizer):
    """Through weight decay, momentum and an evaluation, in a run that is frozen throughout."""
    check_frozen(frozen, preset("yolox_nano"))
    trainer = make_trainer(index, [replace(PHASE, epochs=2, frozen=frozen)], optimizer=optimizer)
    before = hashes(trainer.detector)
    train(trainer)
    trainer.detector.eval()
    for detector in (trainer.detector, trainer.ema.module):
        after = hashes(detector)
        assert [name for name in before if after[name] == before[name]] == CASES[frozen]


def test_each_stage_warms_up_from_where_it_starts_to_train(index):
    # 4 images in batches of 2: 2 steps an epoch. Warm-up of 2 epochs: 4 steps.
    frozen = replace(PHASE, epochs=2, frozen=("backbone:2", "head"))
    trainer = make_trainer(index, [frozen, replace(PHASE, epochs=2)], lr_decay="constant", warmup_epochs=2)
    places = [("backbone", 1), ("backbone", 2), ("backbone", 3), ("neck", 0), ("head", 0)]
    assert [trainer.schedule.first_step(*place) for place in places] == [4, 4, 0, 0, 4]
    rates = []
    for step in (0, 3, 4):
        trainer.schedule.set_learning_rates(PHASE, step)
        found = {(group["part"], group["stage"]): group["lr"] for group in trainer.optimizer.param_groups}
        rates.append([found[place] for place in places])
    # Of a peak of .01: (1/4)^2 at the first step that is trained, all of it at the fourth.
    assert rates[0] == [0, 0, pytest.approx(0.01 / 16), pytest.approx(0.01 / 16), 0]
    assert rates[1] == [0, 0, 0.01, 0.01, 0]
    assert rates[2] == [pytest.approx(0.01 / 16)] * 2 + [0.01] * 2 + [pytest.approx(0.01 / 16)]
    assert trainer.learning_rate == 0.01


def test_freezing_can_be_moved_and_taken_back():
    detector = build_detector("yolox_nano", 2)

    def training():
        """The numbers of the stages that train, and whether each does so wholly."""
        numbers = []
        for stage in stages_of(detector)[:-2]:
            modes = {m.training for module in stage.modules for m in module.modules()}
            assert {p.requires_grad for p in stage.parameters} == modes and len(modes) == 1
            numbers += [stage.number] * modes.pop()
        return numbers

    for frozen, expected in (
        (("backbone:3",), [4, 5]),
        (("backbone:1",), [2, 3, 4, 5]),
        (("backbone",), []),
        ((), [1, 2, 3, 4, 5]),
    ):
        freeze(detector, frozen)
        assert training() == expected
    assert all(module.training for module in detector.modules())


def test_statistics_of_a_foreign_backbone_stay_too():
    """Where a stage's norm stands beside it rather than in it."""
    with torch.device("meta"):
        detector = build_detector("fcos", 2)
    freeze(detector, ("backbone:1",))
    body = detector.backbone.body
    assert not body.bn1.training and not body.conv1.weight.requires_grad and body.layer1.training
    frozen = [m for m in detector.modules() if isinstance(m, nn.BatchNorm2d) and not m.training]
    assert frozen == [body.bn1]


@pytest.mark.parametrize(
    ("part", "stage", "frozen", "expected"),
    [
        ("backbone", 0, ("backbone",), True),
        ("backbone", 3, ("backbone",), True),
        ("backbone", 2, ("backbone:2",), True),
        ("backbone", 3, ("backbone:2",), False),
        ("backbone", 3, ("backbone:2", "backbone:3"), True),
        ("backbone", 0, ("backbone:2",), False),
        ("neck", 0, ("backbone:2",), False),
        ("head", 0, ("neck", "head"), True),
    ],
)
def test_who_is_frozen(part, stage, frozen, expected):
    assert is_frozen(part, stage, frozen) is expected


@pytest.mark.parametrize(
    "name", ["tail", "backbone:0", "backbone:6", "backbone:-1", "backbone:", "backbone:x", "neck:1", ""]
)
def test_a_wrong_name_lists_what_there_is(name):
    with pytest.raises(ValueError) as error:
        check_frozen(("neck", name), preset("yolox_nano"))
    assert f"--freeze {name}: choose from backbone, neck, head" in str(error.value)
    assert "backbone:1 to backbone:5" in str(error.value) and "2 backbone.stage1" in str(error.value)


@pytest.mark.parametrize("first", ["backbone", "backbone:5"])
def test_freezing_everything_is_refused(first):
    with pytest.raises(ValueError, match="leaves nothing to train"):
        check_frozen((first, "neck", "head"), preset("yolox_nano"))
    check_frozen(("backbone:4", "neck", "head"), preset("yolox_nano"))


def test_freezing_nothing_is_refused():
    with pytest.raises(ValueError, match="--freeze-epochs 0"):
        check_frozen((), preset("yolox_nano"))


@pytest.mark.parametrize(
    ("frozen", "expected"),
    [
        ((), "trains backbone, neck, head; nothing frozen"),
        (("backbone",), "trains neck, head; backbone frozen"),
        (("head", "neck"), "trains backbone; neck, head frozen"),
        (
            ("backbone:2", "neck"),
            "trains backbone after stage 2, head; backbone up to stage 2, neck frozen",
        ),
        (("backbone:2", "backbone"), "trains neck, head; backbone frozen"),
    ],
)
def test_what_is_said(frozen, expected):
    assert describe_frozen(frozen) == expected
