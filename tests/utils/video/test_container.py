"""What video files say about their own length, and how they look when their end is missing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.utils.video.video_cases import numbered, write_video
from utils.video.container import is_cut_off, states_frame_count


def fragmented(path):
    """An MP4 in fragments, as browsers and cameras that may lose power write it."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w", options={"movflags": "frag_keyframe+empty_moov"}) as container:
        stream = container.add_stream("mpeg4", rate=12)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for k in range(25):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(k), format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("suffix", "codec", "counts"),
    [(".mp4", "mp4v", True), (".mov", "mp4v", True), (".avi", "MJPG", True), (".mkv", "MJPG", False)],
)
def test_who_counts_frames_and_what_is_cut_off(tmp_path, suffix, codec, counts):
    path = write_video(tmp_path / f"a{suffix}", 25, 12.0, codec)
    assert states_frame_count(path) == counts
    assert not is_cut_off(path)
    path.write_bytes(path.read_bytes()[:-100])
    assert is_cut_off(path)


def test_fragments_do_not_count_frames(tmp_path):
    path = fragmented(tmp_path / "a.mp4")
    assert not states_frame_count(path) and not is_cut_off(path)
    path.write_bytes(path.read_bytes()[:-10])
    assert is_cut_off(path)


def test_webm_written_live_has_no_length(tmp_path):
    """EBML header of 1 byte, then a segment whose length is unknown: all bits 1."""
    path = tmp_path / "a.webm"
    path.write_bytes(b"\x1a\x45\xdf\xa3\x81x\x18\x53\x80\x67\x01" + b"\xff" * 7 + b"data")
    assert not is_cut_off(path) and not states_frame_count(path)
    path.write_bytes(b"\x1a\x45\xdf\xa3\x81x\x18\x53\x80\x67\x84data")
    assert not is_cut_off(path)
    path.write_bytes(b"\x1a\x45\xdf\xa3\x81x\x18\x53\x80\x67\x85data")
    assert is_cut_off(path)


def test_boxes_with_64_bit_lengths_and_up_to_the_end(tmp_path):
    path = tmp_path / "a.mp4"
    free = b"\0\0\0\x08free"
    path.write_bytes(free + b"\0\0\0\1mdat" + (20).to_bytes(8, "big") + b"data" + b"\0\0\0\0moovxxxx")
    assert states_frame_count(path) and not is_cut_off(path)
    path.write_bytes(free + b"\0\0\0\1mdat" + (21).to_bytes(8, "big") + b"data")
    assert not states_frame_count(path) and is_cut_off(path)


@given(st.binary(max_size=60), st.sampled_from([b"", b"\0\0\0\x08ftyp", b"\x1a\x45\xdf\xa3", b"RIFF"]))
def test_any_bytes(tmp_path_factory, content, start):
    path = tmp_path_factory.mktemp("bytes") / "a"
    path.write_bytes(start + content)
    assert states_frame_count(path) in (True, False) and is_cut_off(path) in (True, False)
