"""A compiled step is the same step."""

import pytest
import torch

from tests.utils.tiny_training import PHASE, drawn_index, make_trainer, train_epoch
from utils import compiling
from utils.compiling import check_compiler, compiled


def test_what_can_be_compiled(monkeypatch):
    monkeypatch.setattr(compiling.shutil, "which", lambda name: None)
    check_compiler("off", on_gpu=False)
    with pytest.raises(ValueError, match=r"--compile needs a C.. compiler, and there is none: install one"):
        check_compiler("on", on_gpu=True)
    monkeypatch.setattr(compiling.shutil, "which", lambda name: "/usr/bin/g++" if name == "g++" else None)
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
        loader, _ = trainer.loader(PHASE)
        losses.append(train_epoch(trainer, PHASE, loader).losses)
    assert graphs and losses[1] == pytest.approx(losses[0], rel=1e-4)
