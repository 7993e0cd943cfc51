"""Files and folders that appear whole or not at all."""

import errno
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.system.files import (
    NOT_UTF8,
    error_text,
    new_folder,
    read_failure,
    read_text,
    replacing,
    require_writable,
    staged,
    text_blocks,
    write_text,
)


def test_a_folder_appears_when_it_is_whole(tmp_path):
    target = tmp_path / "a b" / "数据"
    with new_folder(target) as beside:
        (beside / "file").touch()
        assert not target.exists()
    assert [path.name for path in target.iterdir()] == ["file"]
    assert list(target.parent.iterdir()) == [target]


def test_nothing_is_left_of_a_folder_that_fails(tmp_path):
    with pytest.raises(RuntimeError), new_folder(tmp_path / "new") as beside:
        (beside / "sub").mkdir()
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_filled_and_others_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with new_folder(tmp_path / "empty") as beside:
        (beside / "file").write_text("first")
    (tmp_path / "a file").touch()
    for name in ("empty", "a file"):
        with pytest.raises(ValueError, match=f"{name} exists and is not empty"), new_folder(tmp_path / name):
            pytest.fail("entered")
    assert (tmp_path / "empty" / "file").read_text() == "first"


def test_what_another_run_writes_is_not_touched(tmp_path):
    (tmp_path / "new.tmp").mkdir()
    with pytest.raises(ValueError, match=r"new\.tmp was left"), new_folder(tmp_path / "new"):
        pytest.fail("entered")
    assert (tmp_path / "new.tmp").is_dir()


def test_what_was_tried_takes_the_place_of_a_file(tmp_path):
    path = tmp_path / "new" / "模型.onnx"
    for text in ("first", "second"):
        with staged(path) as beside:
            assert beside.name == path.name and beside != path
            beside.write_text(text)
        assert path.read_text() == text
        assert list(path.parent.iterdir()) == [path], "nothing is left beside"


def test_what_was_tried_takes_the_place_of_a_folder(tmp_path):
    path = tmp_path / "model"
    for name in ("first", "second"):
        with staged(path) as beside:
            beside.mkdir()
            (beside / name).touch()
        assert [file.name for file in path.iterdir()] == [name]
        assert list(tmp_path.iterdir()) == [path]


def test_what_fails_leaves_all_as_it_was(tmp_path):
    path = tmp_path / "a.onnx"
    path.write_text("before")
    with pytest.raises(RuntimeError), staged(path) as beside:
        beside.write_text("after")
        raise RuntimeError
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


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


def test_names_that_are_not_utf_8(tmp_path):
    with pytest.raises(ValueError, match=r"a\.txt cannot hold 'i\\udcff.jpg': rename the file"):
        write_text(tmp_path / "a.txt", "i\udcff.jpg")
    assert not [*tmp_path.iterdir()]
    write_text(tmp_path / "a.json", '"i\udcff.jpg"', errors=NOT_UTF8)
    assert json.loads(read_text(tmp_path / "a.json")) == "i\udcff.jpg"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_texts_of_windows_tools_are_read(tmp_path, encoding):
    path = tmp_path / "a.txt"
    path.write_bytes("猫\r\nb".encode(encoding))
    assert read_text(path) == "".join(text_blocks(path, 1)) == "猫\nb"
    path.write_bytes("苹果".encode("gbk"))
    with pytest.raises(ValueError, match=r"a\.txt is not UTF-8"):
        read_text(path)


def test_a_folder_that_takes_no_file_is_found_before_the_work(tmp_path, monkeypatch):
    require_writable(tmp_path / "new" / "deeper")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(
        ValueError, match=r"nothing can be saved in .*file \(.*\): choose another place with --save"
    ):
        require_writable(tmp_path / "file" / "x", "--save")

    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(
        ValueError, match=rf"nothing can be saved in {tmp_path} \(Permission denied\): .*--output"
    ):
        require_writable(tmp_path / "new")


@pytest.mark.parametrize("name", ["a.txt", "a.txt.tmp"])
def test_links_are_replaced_and_not_followed(tmp_path, name):
    other = tmp_path / "other.txt"
    other.write_text("precious")
    (tmp_path / name).symlink_to(other)
    write_text(tmp_path / "a.txt", "new")
    assert other.read_text() == "precious" and (tmp_path / "a.txt").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "other.txt"]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.EACCES, "Permission denied", "a"), "a: Permission denied"),
        (OSError(errno.ENOSPC, "No space left", "a", None, "b"), "b: No space left"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (OSError("stopped at step 3"), "stopped at step 3"),
        (ValueError("--epochs is 0"), "--epochs is 0"),
    ],
)
def test_errors_of_the_system_are_told_without_their_number(error, text):
    assert error_text(error) == text


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EISDIR, "Is a directory", "a"), "Is a directory"),
        (UnicodeDecodeError("utf-8", b"ab\xff", 2, 3, "invalid start byte"), "byte 3 is not UTF-8 text"),
        (RecursionError("maximum recursion depth exceeded"), "it nests too deeply"),
        (ValueError("line 2: 'x' is not a number"), "line 2: 'x' is not a number"),
    ],
)
def test_failures_to_read_are_told_without_words_of_python(error, reason):
    assert read_failure(error) == reason


@pytest.mark.parametrize("writing", [new_folder, staged, replacing])
def test_a_disk_that_is_full_is_told_with_the_file(tmp_path, writing):
    """The system's error for a write, other than that for an open, names no file."""
    with pytest.raises(OSError) as raised, writing(tmp_path / "result"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert error_text(raised.value) == f"{tmp_path / 'result'}: No space left on device"
