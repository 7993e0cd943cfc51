"""Checks of what files hold (JSON texts, unpickled contents) against types: a schema is a type.

`Epoch = Annotated[int, Range("at least 0", ...)]` bounds a number; dataclasses and named tuples are mappings.
"""

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import torch
from torch import Tensor

from utils.system.settings import Range

MAX_ENTRIES = 100_000  # of a list or mapping; the largest are the tensors of a network, below 10,000
MAX_TEXT = 10_000  # characters; the longest are paths and licences
MAX_NUMBER = 2**63  # of integers, which are counts and random states


class KindError(ValueError):
    """A value is of another kind than its type, such as a text where a number belongs."""


def conform(value: Any, hint: Any, name: str = "") -> Any:
    """Return `value` as the type `hint`: lists become tuples, texts paths, and mappings dataclasses.

    name  of the value, for messages
    Entries that the type does not have are left out. `KindError` for a value of another kind, ValueError for
    one out of its range, for NaN and infinity, and for more entries than any file of ours has.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _in_range(value, arguments, name)
    if origin in (Union, UnionType):
        return _one_of(value, arguments, name)
    if origin is Literal:
        if not any(type(value) is type(one) and value == one for one in arguments):
            raise KindError(f"{name} is {shown(value)}, not one of {', '.join(map(shown, arguments))}")
        return value
    if origin in (tuple, list):
        return origin(_items(value, arguments, name))
    if origin in (dict, Mapping):
        return {
            conform(key, arguments[0], f"a key of {name}"): conform(item, arguments[1], _inside(name, key))
            for key, item in _bounded(value, Mapping, "a mapping", name).items()
        }
    if is_dataclass(hint) or hasattr(hint, "_field_defaults"):
        return hint(**_fields(value, hint, name))
    return _single(value, hint, name)


def shown(value: Any) -> str:
    """Return a value in short for a message; of containers, which can be endless, only the kind."""
    if isinstance(value, str | int | float | NoneType):
        text = repr(value) if not isinstance(value, int) or abs(value) < MAX_NUMBER else "a huge number"
        return text if len(text) <= 50 else f"{text[:50]}..."
    return f"a {type(value).__name__}"


def plain(tensor: Tensor) -> bool:
    """Return whether the tensor has its values in memory: it is not sparse, meta, quantised or nested."""
    return (
        tensor.layout is torch.strided
        and tensor.device.type != "meta"
        and not tensor.is_quantized
        and not tensor.is_nested
    )


def _inside(name: str, key: Any) -> str:
    key = key if isinstance(key, str) and len(key) <= 50 else shown(key)
    return f"{name}.{key}" if name else str(key)


def _in_range(value: Any, arguments: tuple[Any, ...], name: str) -> Any:
    value = conform(value, arguments[0], name)
    for note in arguments[1:]:
        if isinstance(note, Range) and not note.fits(value):
            raise ValueError(f"{name} is {shown(value)}, and not {note.text}")
    return value


def _one_of(value: Any, hints: tuple[Any, ...], name: str) -> Any:
    """Return the value as the first of the types that it is of."""
    kinds = []
    for hint in hints:
        try:
            return conform(value, hint, name)
        except KindError as error:
            kinds.append(str(error))
    raise KindError(kinds[0])


def _items(value: Any, hints: tuple[Any, ...], name: str) -> Iterable[Any]:
    """Return the items of a list, of which all have the one type, or each its own."""
    value = _bounded(value, (list, tuple), "a list", name)
    if len(hints) == 1 or hints[1:] == (...,):
        hints = hints[:1] * len(value)
    if len(value) != len(hints):
        raise KindError(f"{name} has {len(value)} entries, not {len(hints)}")
    return [conform(value[k], hint, f"{name}[{k}]") for k, hint in enumerate(hints)]


def _bounded(value: Any, kinds: Any, text: str, name: str) -> Any:
    if not isinstance(value, kinds):
        raise KindError(f"{name or 'the content'} is {shown(value)}, not {text}")
    if len(value) > MAX_ENTRIES:
        raise ValueError(f"{name or 'the content'} has {len(value)} entries, more than {MAX_ENTRIES}")
    return value


def _fields(value: Any, hint: Any, name: str) -> dict[str, Any]:
    """Return the fields of a dataclass, of which those with a default may be missing, or of a named tuple."""
    value = _bounded(value, Mapping, "a mapping", name)
    optional = {
        field.name
        for field in (fields(hint) if is_dataclass(hint) else ())
        if field.default is not MISSING or field.default_factory is not MISSING
    }
    types = get_type_hints(hint, include_extras=True)
    if missing := [field for field in types if field not in value and field not in optional]:
        raise KindError(f"{name or 'it'} lacks {', '.join(missing)}")
    return {
        field: conform(value[field], kind, _inside(name, field))
        for field, kind in types.items()
        if field in value
    }


def _single(value: Any, hint: Any, name: str) -> Any:
    """Return a value that is no container."""
    if hint is Any:
        return value
    if hint is Tensor:
        if not isinstance(value, Tensor):
            raise KindError(f"{name} is {shown(value)}, not a tensor")
        if not plain(value):
            raise ValueError(f"{name} is a tensor without values, or sparse or quantised")
        return value
    if hint is float and type(value) is int and abs(value) < MAX_NUMBER:
        value = float(value)
    expected = str if hint is Path else hint
    if type(value) is not expected:
        kinds = {
            str: "a text",
            int: "a whole number",
            float: "a number",
            bool: "true or false",
            NoneType: "null",
        }
        raise KindError(f"{name} is {shown(value)}, not {kinds.get(expected, expected.__name__)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} is {value}")
    if type(value) is int and abs(value) >= MAX_NUMBER:
        raise ValueError(f"{name} is a huge number")
    if isinstance(value, str):
        _check_text(value, name)
    return Path(value) if hint is Path else value


def _check_text(text: str, name: str) -> None:
    if len(text) > MAX_TEXT:
        raise ValueError(f"{name} has {len(text)} characters, more than {MAX_TEXT}")
    try:
        os.fsencode(text)  # a file name may have bytes that are not UTF-8, which Python holds as surrogates
        is_text = "\0" not in text
    except UnicodeEncodeError:
        is_text = False
    if not is_text:
        raise ValueError(f"{name} is {shown(text)}, with a null character or half of one")
