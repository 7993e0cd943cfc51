"""Gradient accumulation, and batches that do not fit into memory."""

import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nets.common.structures import Targets
from tests.helpers import ROOT
from tests.utils.train.tiny_training import CPU, PHASE, drawn_index, make_trainer
from utils.loader.batch import batch_to_device
from utils.train.gradient_accumulation import is_out_of_memory, smaller_parts, split_batch


def targets(number):
    return Targets(
        torch.arange(number * 8.0).view(number, 2, 4), torch.zeros(number, 2), torch.ones(number, 2)
    )


@pytest.mark.parametrize(("number", "parts", "sizes"), [(8, 1, [8]), (8, 3, [3, 3, 2]), (2, 4, [1, 1])])
def test_parts_make_up_the_batch(number, parts, sizes):
    images, wanted = torch.arange(number), targets(number)
    found = [*split_batch(images, wanted, parts)]
    assert [len(part) for part, _ in found] == sizes
    assert torch.equal(torch.cat([part for part, _ in found]), images)
    assert torch.equal(torch.cat([part.boxes for _, part in found]), wanted.boxes)


def test_parts_are_doubled_until_an_image_is_too_much():
    assert smaller_parts(1, 8, 1, "full") == 2 and smaller_parts(4, 8, 1, "full") == 8
    assert smaller_parts(4, 7, 1, "full") == 7
    with pytest.raises(ValueError, match=r"with 1 images at a time: .*--image-size .*\(full\)"):
        smaller_parts(8, 8, 1, "full")
    with pytest.raises(ValueError, match="--batch-parts"):
        smaller_parts(1, 8, 2, "full")


def test_what_pytorch_says_of_a_full_memory():
    with pytest.raises(RuntimeError) as error:
        torch.empty(1 << 60)
    assert is_out_of_memory(error.value)
    assert is_out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


@pytest.fixture
def index(tmp_path):
    return drawn_index(tmp_path)


def gradients(index, parts, full_at=None, phase=PHASE):
    """Losses and gradients of a first batch with fixed BatchNorm; memory holds less than `full_at` images."""
    trainer = make_trainer(index, [phase], batch_parts=parts)
    batch = next(iter(trainer.start_epoch(phase, 0)))
    trainer.detector.eval()
    losses_of = trainer.gradients.losses_of

    def limited(images, wanted):
        if full_at is not None and len(images) >= full_at:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return losses_of(images, wanted)

    trainer.gradients.losses_of = limited
    losses = trainer.gradients.forward_backward(*batch_to_device(batch, CPU))
    losses = {name: float(value) for name, value in losses.items()}
    return losses, {n: p.grad for n, p in trainer.detector.named_parameters()}, trainer.gradients.parts


def test_a_full_memory_is_met_by_smaller_parts(index, capsys):
    phase = replace(PHASE, batch_size=4)
    asked, by_parts, parts = gradients(index, 4, phase=phase)
    met, after, found = gradients(index, 1, full_at=2, phase=phase)
    assert parts == found == 4
    assert met == asked and all(torch.equal(by_parts[n], after[n]) for n in after)
    output = capsys.readouterr().out
    assert output.count("out of memory") == 2 and "over 4 parts" in output
    with pytest.raises(ValueError, match="with 1 images at a time"):
        gradients(index, 1, full_at=1, phase=phase)


def test_a_batch_that_fails_on_its_way_back_is_freed(index):
    """Its tensors would stay in a queue of PyTorch."""
    trainer = make_trainer(index)
    alive: list[weakref.ref] = []

    def failing(images, wanted):
        scale = torch.ones(len(images), requires_grad=True)
        left_to_do = scale.exp().sum()
        kept = replace(PHASE)
        left_to_do.grad_fn.metadata["kept"] = kept
        alive.append(weakref.ref(kept))
        last = scale.sum() * 2
        last.register_hook(full)
        return {"loss": left_to_do + last}

    def full(gradient):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    trainer.gradients.losses_of = failing
    batch = next(iter(trainer.start_epoch(PHASE, 0)))
    with pytest.raises(ValueError, match="with 1 images at a time"):
        trainer.gradients.forward_backward(*batch_to_device(batch, CPU))
    assert len(alive) == 2 and not any(reference() for reference in alive)


LIMITED = """
import resource, sys
from pathlib import Path

from dataclasses import replace

from tests.helpers import ROOT
from tests.utils.train.tiny_training import PHASE, drawn_index, make_trainer, train_epoch

phase = replace(PHASE, batch_size=14)
trainer = make_trainer(drawn_index(Path(sys.argv[1]), 14), [phase], image_size=(512, 512))
pages = int(Path("/proc/self/statm").read_text().split()[0])
most = pages * resource.getpagesize() + (int(sys.argv[2]) << 20)
resource.setrlimit(resource.RLIMIT_AS, (most, most))
losses = train_epoch(trainer, phase).losses
assert all(0 < value < 100 for value in losses.values()), losses
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the memory cannot be limited here")
@pytest.mark.parametrize("megabytes", [900, 2300])
def test_a_memory_that_is_really_full(megabytes, tmp_path):
    """A step of 14 images takes 2500 MB; with 900 the forward pass fails, with 2300 the backward pass."""
    line = [sys.executable, "-c", LIMITED, str(tmp_path), str(megabytes)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "out of memory: from now on gradients are accumulated over 2 parts of each batch" in done.stdout


def test_parts_weigh_as_many_images_as_they_have(index):
    """Three images in parts of two and one: the mean of their losses, weighted by the number of images."""
    phase = replace(PHASE, batch_size=3)
    whole, in_two = (gradients(index, parts, phase=phase)[0] for parts in (1, 2))
    assert in_two.keys() == whole.keys()
    assert sum(in_two.values()) == pytest.approx(sum(whole.values()), rel=0.2)
