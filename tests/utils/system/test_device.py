"""Devices, number formats and compiling: chosen, refused and said aloud. A GPU is only pretended here."""

import os

import pytest
import torch
from torch import nn

from tests.utils.train.tiny_training import PHASE, drawn_index, make_trainer, train_epoch
from utils.system import device
from utils.system.device import (
    autocasting,
    check_compiler,
    choose_autocast,
    choose_device,
    compiled,
    describe_device,
    set_deterministic,
    to_device,
)

CPU = torch.device("cpu")


@pytest.fixture
def gpus(monkeypatch):
    """Let torch say that there are so many GPUs."""

    def pretend(number):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: number > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: number)

    return pretend


def test_auto_takes_what_there_is(gpus):
    gpus(0)
    assert choose_device("auto") == CPU
    gpus(1)
    assert choose_device("auto").type == "cuda"
    assert choose_device("cpu") == CPU


def test_a_gpu_that_is_not_there_is_refused(gpus):
    gpus(0)
    for name in ("cuda", "cuda:0"):
        with pytest.raises(ValueError, match=f"--device {name}: no GPU .*--device cpu"):
            choose_device(name)
    gpus(2)
    assert choose_device("cuda:1").index == 1
    with pytest.raises(ValueError, match="--device cuda:2: there are only 2 GPUs"):
        choose_device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "0", "cuda:", "cuda:-1", "", "mps", "meta"])
def test_other_names_are_refused_with_those_that_exist(name, gpus):
    gpus(1)
    with pytest.raises(ValueError, match="auto, cpu, cuda or cuda:0"):
        choose_device(name)


def test_formats_on_a_cpu():
    assert choose_autocast("off", CPU) is None
    assert choose_autocast("bf16", CPU) is torch.bfloat16
    assert choose_autocast("auto", CPU) in (None, torch.bfloat16)
    with pytest.raises(ValueError, match="--amp fp16 needs a GPU"):
        choose_autocast("fp16", CPU)


@pytest.mark.parametrize(("fast", "chosen"), [(True, torch.bfloat16), (False, None)])
def test_auto_does_not_emulate_on_a_cpu(monkeypatch, fast, chosen):
    monkeypatch.setattr("utils.system.device.supports_bf16", lambda device: fast)
    assert choose_autocast("auto", CPU) is chosen


@pytest.mark.parametrize(("fast", "chosen"), [(True, torch.bfloat16), (False, torch.float16)])
def test_auto_on_a_gpu(monkeypatch, fast, chosen):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: fast)
    assert choose_autocast("auto", torch.device("cuda")) is chosen
    assert choose_autocast("off", torch.device("cuda")) is None
    assert choose_autocast("fp16", torch.device("cuda")) is torch.float16


def test_description_says_what_is_used(gpus):
    gpus(0)
    text = describe_device(CPU, torch.bfloat16)
    assert "CPU" in text and "no GPU found" in text and "bfloat16 autocast" in text
    assert f"{torch.get_num_threads()} threads" in text
    gpus(1)
    assert "no GPU" not in describe_device(CPU, None) and "float32" in describe_device(CPU, None)


def test_placed_models_have_channels_last():
    model = to_device(nn.Conv2d(4, 8, 3), CPU)
    assert model.weight.is_contiguous(memory_format=torch.channels_last)
    assert not model.weight.is_contiguous()


def test_which_kernels(monkeypatch):
    before = torch.backends.cudnn.benchmark
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    try:
        set_deterministic(deterministic=True)
        assert torch.are_deterministic_algorithms_enabled() and not torch.backends.cudnn.benchmark
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        set_deterministic(deterministic=False)
        assert not torch.are_deterministic_algorithms_enabled() and torch.backends.cudnn.benchmark
    finally:
        torch.backends.cudnn.benchmark = before


def test_what_can_be_compiled(monkeypatch):
    monkeypatch.setattr(device.shutil, "which", lambda name: None)
    check_compiler("off", on_gpu=False)
    with pytest.raises(ValueError, match=r"--compile needs a C.. compiler, and there is none: install one"):
        check_compiler("on", on_gpu=True)
    monkeypatch.setattr(device.shutil, "which", lambda name: "/usr/bin/g++" if name == "g++" else None)
    check_compiler("on", on_gpu=False)
    check_compiler("graphs", on_gpu=True)
    with pytest.raises(ValueError, match="--compile graphs needs a GPU; use --compile on or off"):
        check_compiler("graphs", on_gpu=False)


@pytest.mark.parametrize(("choice", "mode"), [("on", None), ("graphs", "reduce-overhead")])
def test_how_it_is_compiled(choice, mode, monkeypatch):
    asked = []
    module = torch.nn.Linear(2, 2)
    monkeypatch.setattr(module, "compile", lambda **how: asked.append(how))
    names = list(module.state_dict())
    assert compiled(module, choice) is module and asked == [{"mode": mode}]
    assert list(module.state_dict()) == names
    assert compiled(module, "off") is module and len(asked) == 1


def test_a_compiled_training_is_the_training(tmp_path, monkeypatch):
    """Traced whole and run as it is: compiling to machine code takes minutes."""
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(
        torch.nn.Module,
        "compile",
        lambda self, mode: setattr(
            self, "_compiled_call_impl", torch.compile(self._call_impl, backend=backend)
        ),
    )
    torch._dynamo.reset()
    index = drawn_index(tmp_path)
    losses = []
    for choice in ("off", "on"):
        trainer = make_trainer(index, compile=choice)
        losses.append(train_epoch(trainer, PHASE).losses)
    assert graphs and losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_autocasting():
    weight = torch.ones(2, 2)
    with autocasting(CPU, torch.bfloat16):
        assert (weight @ weight).dtype is torch.bfloat16
    with autocasting(CPU, None):
        assert (weight @ weight).dtype is torch.float32
