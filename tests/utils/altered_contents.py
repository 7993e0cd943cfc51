"""Contents of checkpoints, JSON texts and tables of which something is something else."""

import random
from copy import copy, deepcopy

import torch

NAMES = ("model", "ema", "class_names", "model_parts", "image_size", "anchors", "names", "\0", "", "é\n")
NAN, INF = float("nan"), float("inf")
PLAIN = [
    *(None, True, False, 0, -1, 3, 2**31, 2**63, -(10**30), 10**400, 0.5, -0.5, 1e308, NAN, INF),
    *("", "a", "a\nb", " a ", "\0", "\ud800", "x" * 20_000, "timm:no", "../x"),
    *([], {}, [[]], [1, 2], [32_000_000, 32_000_000], [-32, 32], ["a", "a"], ["", " "], {"a": 1}),
    *({"overall": 2.0, "by_class": [0.5]}, {"tail": "x"}, {"backbone": 5}, {"anchors": [[[1e9, -1]]]}),
    *([0] * 200_000, ["x"] * 5000),
]
TENSORS = [
    *(torch.zeros(2, 2).to_sparse(), torch.zeros(3, device="meta"), torch.full((4,), NAN), torch.zeros(0)),
    *(
        torch.zeros(1).expand(10**9),
        torch.tensor(5),
        torch.tensor(1.0),
        torch.zeros(2, dtype=torch.complex64),
    ),
    torch.zeros(2, dtype=torch.complex64),
    *(torch.zeros(3, 3, dtype=torch.float64) + 1e300, torch.zeros(2, dtype=torch.float16)),
]


def endless():
    """Mappings and lists that contain themselves."""
    mapping, entries = {}, []
    mapping["model"] = mapping["ema"] = mapping
    entries.append(entries)
    return [mapping, {"ema": mapping}, entries]


def altered(content, seed, tensors=True):
    """The content with up to three entries that are something else, gone, or of another name.

    With `tensors`, also with tensors of all kinds and with what contains itself, which JSON has not.
    """
    generator = random.Random(seed)
    odd = [*PLAIN, *TENSORS, *endless(), {1: 2}, b"bytes", (1, 2), [torch.zeros(1)]] if tensors else PLAIN
    if generator.random() < 0.02:
        return generator.choice(odd)
    content = _copied(content)
    for _ in range(generator.randint(1, 3)):
        parent = content
        key = generator.choice([*parent])
        for _ in range(generator.choice([0, 0, 0, 1, 1, 2, 3])):
            keys = _keys(parent[key])
            if not keys:
                break
            parent, key = parent[key], generator.choice(keys)
        _alter(generator, parent, key, odd, [*content.values()] if tensors else odd)
        if not content:
            break
    return content


def _alter(generator, parent, key, odd, others):
    kind = generator.choice(["change", "change", "change", "swap", "remove", "rename"])
    if kind == "change":
        parent[key] = deepcopy(generator.choice(odd))  # later changes go into it
    elif kind == "swap":
        parent[key] = deepcopy(generator.choice(others))
    elif kind == "remove":
        del parent[key]
    elif isinstance(parent, dict):
        parent[generator.choice(NAMES)] = parent.pop(key)
    else:
        parent += [parent[key]] * generator.choice([1, 300])


def _keys(value):
    if isinstance(value, dict):
        return [*value]
    return [*range(len(value))] if isinstance(value, list) else []


def _copied(content):
    if isinstance(content, dict):
        return {key: _copied(value) for key, value in content.items()}
    return [*map(_copied, content)] if isinstance(content, list | tuple) else copy(content)
