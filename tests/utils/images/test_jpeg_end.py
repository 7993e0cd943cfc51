"""JPEG files whose end marker is missing: which are whole but for it, and which lack more."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from utils.images.jpeg_end import lacks_end, with_end

KINDS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "restart markers": {"restart_marker_blocks": 3},
    "full colour": {"subsampling": 0, "optimize": True},
}


def jpeg(kind="baseline", mode="RGB"):
    """A JPEG of smooth colours and noise, where a missing byte changes pixels."""
    rng = np.random.default_rng(3)
    image = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).resize((80, 56)).convert(mode)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90, **KINDS[kind])
    return file.getvalue()


def pixels(content):
    return np.asarray(Image.open(io.BytesIO(content)))


def ended(content):
    found = with_end(np.frombuffer(content, np.uint8))
    return None if found is None else found.tobytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_only_the_marker_is_missing(kind, mode):
    content = jpeg(kind, mode)
    assert ended(content[:-2]) == content
    assert ended(content[:-1]) == content  # half of the marker


@settings(max_examples=60)
@given(st.sampled_from(sorted(KINDS)), st.floats(0, 1))
def test_what_is_accepted_has_all_pixels(kind, share):
    """Cut anywhere, also at markers, between scans, and within headers."""
    content = jpeg(kind)
    cut = content[: int(share * (len(content) - 2))]
    if (found := ended(cut)) is not None:
        assert (pixels(found) == pixels(content)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_cuts_near_the_end_and_at_markers_are_refused(kind):
    content = jpeg(kind)
    markers = [at for at in range(len(content) - 2) if content[at] == 0xFF and content[at + 1] >= 0xD0]
    for at in (*range(len(content) - 40, len(content) - 3), *markers):
        found = ended(content[:at])
        assert found is None or (pixels(found) == pixels(content)).all(), at


@pytest.mark.parametrize("content", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", jpeg()])
def test_other_files_are_left_alone(content):
    assert ended(content) is None


def test_data_behind_the_end_marker():
    """As some cameras append: the marker is there."""
    for content, lacks in ((jpeg(), False), (jpeg() + b"maker's note", False), (jpeg()[:-2], True)):
        assert lacks_end(np.frombuffer(content, np.uint8)) == lacks


def test_an_end_marker_within_a_segment_does_not_count():
    """A thumbnail in EXIF has one of its own."""
    content = jpeg()[:-2]
    thumbnail = b"\xff\xe1\x00\x08abcd\xff\xd9"[:10]
    assert lacks_end(np.frombuffer(content[:2] + thumbnail + content[2:], np.uint8))
