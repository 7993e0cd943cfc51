"""What the fuzz tests share: damaged contents, and what may come of them."""

import os
import time
import warnings
from contextlib import contextmanager

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.helpers import SHARED
from utils.data.index import LARGEST_COORDINATE

EXAMPLES = int(os.environ.get("BOXWRIGHT_FUZZ", "60"))
SECONDS = 5  # for one file, on a machine that does other things too
fuzz = settings(
    max_examples=EXAMPLES,
    deadline=4000 * SECONDS,  # the first of all may load packages
    suppress_health_check=[*HealthCheck],
)

TOKENS = [
    *(b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\r", b"\t", b"  ", "\u3000".encode(), b"\x1c"),
    *(
        b"9" * 400,
        b"9" * 5000,
        b"1e999",
        b"-1e999",
        b"1e-999",
        b"NaN",
        b"Infinity",
        b"-0",
        b"1_0",
        b"0x10",
        b".",
        b"-",
    ),
    *(b",", b"[", b"]", b"{", b"}", b'"', b"\\ud800", b"\\u0000", b"null", b"true", b'"1"', b"[[[["),
    *(
        b"<a>",
        b"</a>",
        b"<object>",
        b"&lt;",
        b"&#0;",
        b"&x;",
        b"<![CDATA[",
        b"<!--",
        b'<!DOCTYPE x SYSTEM "/etc/passwd">',
    ),
    *(
        b"../" * 30,
        b"/" * 300,
        b"a" * 5000,
        b"\xff\xd8",
        b"\xff\xd9",
        b"\xff\xda",
        b"IEND",
        b"\x7f\xff\xff\xff",
    ),
]


@st.composite
def mutated(draw, contents):
    """A real content with a few bytes flipped, cut, inserted, doubled or nested."""
    data = draw(st.sampled_from(contents))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = start + draw(st.sampled_from([0, 1, 2, 4, 16, 64, 500]))
        kind = draw(st.sampled_from(["flip", "cut", "insert", "double", "replace", "end", "nest"]))
        token = draw(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=6)))
        middle = {
            "flip": bytes(byte ^ draw(st.integers(1, 255)) for byte in data[start : start + 1])
            + data[start + 1 : end],
            "cut": b"",
            "insert": token + data[start:end],
            "double": data[start:end] * draw(st.sampled_from([2, 3, 50])),
            "replace": token,
            "nest": data,
            "end": b"",
        }[kind]
        data = data[:start] + middle + (b"" if kind == "end" else data[end:])
    return data


def assert_sound(index):
    """Whatever was read, training and evaluation can go through it."""
    images = len(index)
    assert (
        index.sizes.shape == (images, 2)
        and (index.sizes >= 0).all()
        and (index.sizes < LARGEST_COORDINATE).all()
    )
    assert index.box_offsets[0] == 0 and (np.diff(index.box_offsets) >= 0).all()
    assert (
        index.box_offsets[-1]
        == len(index.boxes)
        == len(index.labels)
        == len(index.crowd)
        == len(index.difficult)
    )
    assert np.isfinite(index.boxes).all() and (index.boxes[:, 2:] > index.boxes[:, :2]).all()
    assert np.isfinite(index.areas).all() and (index.areas >= 0).all()
    assert ((index.labels >= 0) & (index.labels < len(index.class_names))).all()
    assert all(path and "\0" not in path for path in index.paths())
    "\n".join(index.class_names).encode("utf-8")


def read_or_refuse(reader, path, *arguments):
    """What the reader returns, or None if it refuses the file by its name; other warnings are defects."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("default", UserWarning)
        try:
            return reader(path, *arguments)
        except ValueError as error:
            assert path.name in str(error) and str(error).strip() != path.name, error
            return None


@contextmanager
def quickly():
    """Fails if it takes long."""
    start = time.perf_counter()
    yield
    assert time.perf_counter() - start < SECONDS


def real(pattern, made):
    """Contents of the real files, or the made one where there are none."""
    return [path.read_bytes() for path in sorted(SHARED.glob(pattern))[:4]] or [made]
