"""Failures from outside, and their messages."""

import signal
from pathlib import Path

import pytest
import torch

from nets import preset
from tests.utils.run.test_fit import PHASES, run_in
from tests.utils.train.tiny_training import PHASE, drawn_index, make_trainer
from utils.run import fit as training_loop
from utils.run.failures import explain_failures, require_room
from utils.run.fit import fit
from utils.run.resume import LAST, PREVIOUS, Progress, save_run
from utils.run.run_evaluation import evaluate_run
from utils.system.signals import Stopped, StopSignal
from utils.weights.checkpoint import load_checkpoint


@pytest.fixture
def trainer(tmp_path):
    return make_trainer(drawn_index(tmp_path), PHASES)


def test_a_disk_that_is_full_loses_nothing_that_was_saved(trainer, small_disk):
    """A checkpoint of yolox_nano with SGD takes 11 MB."""
    save_run(small_disk / LAST, trainer, preset("yolox_nano"), Progress())
    before = (small_disk / LAST).read_bytes()
    said = r"last\.pt cannot be written: No space left on device \(.* MB are left on the disk\)"
    with pytest.raises(OSError, match=said):
        save_run(small_disk / LAST, trainer, preset("yolox_nano"), Progress(1))
    assert [path.name for path in small_disk.iterdir()] == [LAST]
    assert (small_disk / LAST).read_bytes() == before


def test_a_run_whose_disk_is_full_says_how_it_goes_on(trainer, small_disk):
    with pytest.raises(OSError, match="cannot be written") as error:
        fit(trainer, trainer.train_index, run_in(small_disk), Progress())
    text = str(error.value)
    assert text.startswith(f"stopped at step {trainer.steps}: ")
    assert text.endswith(f"resume with: python train.py --resume {small_disk}")
    assert load_checkpoint(small_disk / LAST)["step"] == 0 and not (small_disk / PREVIOUS).exists()


def test_a_first_save_that_fails_advises_no_resume(trainer, small_disk):
    (small_disk / "full").write_bytes(bytes(14 << 20))
    with pytest.raises(OSError, match=r"stopped at step 0: .*last\.pt .*No space left on device") as error:
        fit(trainer, trainer.train_index, run_in(small_disk / "run"), Progress())
    assert "nothing was saved yet: start the training again once that is mended" in str(error.value)
    assert "--resume" not in str(error.value)


def test_images_that_vanish_stop_the_run_with_advice(trainer, tmp_path):
    for path in trainer.train_index.paths():
        Path(path).unlink()
    with pytest.raises(OSError, match=r"stopped at step 0: .* images in a row could not be read") as error:
        fit(trainer, trainer.train_index, run_in(tmp_path / "run"), Progress())
    assert str(error.value).endswith(f"resume with: python train.py --resume {tmp_path / 'run'}")


def test_validation_images_that_vanish_are_named(trainer, tmp_path, capsys):
    gone = trainer.train_index.path(1)
    gone.unlink()
    evaluate_run(trainer, trainer.train_index, run_in(tmp_path / "run"))
    assert f"counted as without detections, cannot be read: {gone}\n" in capsys.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_at_once_it_says_how_to_go_on(trainer, tmp_path, number):
    (tmp_path / LAST).touch()
    advice = "resume with: python train.py --resume"
    listening = StopSignal().listening()
    with pytest.raises(Stopped, match=advice) as stopped, explain_failures(trainer, tmp_path), listening:
        for _ in range(2):
            signal.raise_signal(number)
    assert stopped.value.exit_status == 128 + number


def test_room_is_asked_for_before_the_run(trainer, small_disk):
    """Weights, EMA and momentum of .9 million parameters, four times: 44 MB."""
    with pytest.raises(ValueError, match=r"has 1\d MB left, but .* may take 4\d MB: free some space"):
        require_room(trainer, small_disk / "logs")
    with pytest.raises(ValueError, match=r"may take 8\d MB"):
        require_room(trainer, small_disk / "logs", more=4)


def test_there_is_room(trainer, tmp_path):
    require_room(trainer, tmp_path / "logs" / "not made yet")


def test_a_lost_gpu(trainer, tmp_path):
    trainer.device = torch.device("cuda")
    trainer.steps = 7
    (tmp_path / LAST).touch()
    said = r"failed at step 7 \(CUDA error: unspecified launch failure\): .*--resume"
    with pytest.raises(Stopped, match=said) as end, explain_failures(trainer, tmp_path):
        raise RuntimeError("CUDA error: unspecified launch failure\nCompile with ...")
    assert end.value.exit_status == 1


@pytest.mark.parametrize(
    ("device", "text"),
    [("cuda", "CUDA error: device-side assert triggered"), ("cpu", "odd"), ("cuda", "odd")],
)
def test_defects_of_the_program_keep_their_traceback(trainer, tmp_path, device, text):
    trainer.device = torch.device(device)
    with pytest.raises(RuntimeError, match=text), explain_failures(trainer, tmp_path):
        raise RuntimeError(text)


def test_bad_batches_are_kept(tmp_path, monkeypatch):
    index = drawn_index(tmp_path, 8)
    trainer = make_trainer(index, [PHASE])
    losses_of, count = trainer.gradients.losses_of, iter(range(100))

    def losses(images, targets):
        factor = float("nan") if next(count) == 2 else 1.0
        return {name: value * factor for name, value in losses_of(images, targets).items()}

    trainer.gradients.losses_of = losses
    trained, step = [], trainer.step
    monkeypatch.setattr(trainer, "step", lambda batch: trained.append(batch) or step(batch))
    folder = tmp_path / "run"
    fit(trainer, index, run_in(folder), Progress())
    kept = torch.load(folder / "bad_batch_epoch_1_3.pt", weights_only=True)
    assert torch.equal(kept["images"], trained[2].images)
    assert torch.equal(kept["boxes"], trained[2].targets.boxes)
    assert kept["paths"] == [str(index.path(number)) for number in trained[2].image_numbers.tolist()]
    assert (folder / "bad_batch_epoch_1_3.jpg").is_file()
    assert len([*folder.glob("bad_batch*")]) == 2


def test_of_many_bad_batches_the_first_few_are_kept(tmp_path):
    index = drawn_index(tmp_path, 8)
    trainer = make_trainer(index, [PHASE])
    losses_of = trainer.gradients.losses_of
    trainer.gradients.losses_of = lambda *batch: {n: v * float("nan") for n, v in losses_of(*batch).items()}
    with pytest.raises(ValueError, match="the training has diverged"):
        fit(trainer, index, run_in(tmp_path / "run"), Progress())
    kept = [*(tmp_path / "run").glob("bad_batch*.pt")]
    assert len(kept) == training_loop.MAX_BAD_BATCHES


def test_an_operation_without_a_deterministic_kernel(trainer, tmp_path):
    text = "roi_align_backward_kernel does not have a deterministic implementation, but you set ..."
    said = "--deterministic: roi_align_backward_kernel has no deterministic implementation on a GPU"
    with pytest.raises(ValueError, match=said), explain_failures(trainer, tmp_path):
        raise RuntimeError(text)
