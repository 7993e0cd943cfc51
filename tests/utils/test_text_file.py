"""Text in blocks is the same text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.text_file import read_text, text_blocks


@given(st.text(st.sampled_from("ab 图\ufeff\r\n\u2028\x85")), st.integers(1, 9))
def test_blocks_are_whole_lines_and_together_the_text(tmp_path_factory, text, size):
    path = tmp_path_factory.getbasetemp() / "blocks.txt"
    path.write_bytes(text.encode("utf-8"))
    blocks = list(text_blocks(path, size))
    assert "".join(blocks) == read_text(path)
    assert all(block.endswith("\n") for block in blocks[:-1])
    assert all(len(block) >= size for block in blocks[:-1])


@pytest.mark.parametrize(
    "read", [read_text, lambda path: list(text_blocks(path, 1))], ids=["whole", "blocks"]
)
def test_what_cannot_be_read_is_named(tmp_path, read):
    with pytest.raises(ValueError, match=r"none\.txt does not exist"):
        read(tmp_path / "none.txt")
    with pytest.raises(ValueError, match="is a folder"):
        read(tmp_path)
    (tmp_path / "late.txt").write_bytes(b"text\n" * 9000 + b"\xff")
    with pytest.raises(ValueError, match=r"late\.txt is not UTF-8"):
        read(tmp_path / "late.txt")
