"""The kept indexes: found again, never wrong, never in the way."""

import json
import multiprocessing
import os
import pickle
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from utils.data import index_cache
from utils.data.index import ARRAYS
from utils.data.index_cache import DTYPES, cache_folder, read_cached
from utils.data.mapped_array import location_of
from utils.data.notes import OBJECTS_SKIPPED
from utils.formats.list_file import read_list
from utils.formats.read_data import read_data

NAMES = ("cat", "dog")
NOTE = "annotation 1, image a.jpg: box 1, 2, 3, 0 (x, y, w, h) is empty"
LINES = "a.jpg 1,2,3,4,0 5,6,7.5,8,1\n图.jpg\nsub/c d.jpg\t1,2,9,9,1\n"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Small files are kept too, in a folder of the test's own."""
    monkeypatch.setenv("BOXWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(index_cache, "MIN_CACHED_BYTES", 0)
    return tmp_path / "cache" / "indexes"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text(LINES, encoding="utf-8")
    return path


def same(one, other):
    return one.class_names == other.class_names and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in ARRAYS
    )


@pytest.fixture
def reader():
    """`read_list`, with a list of what it was called with."""

    def read(path, names):
        read.calls.append(path)
        return read_list(path, names)

    read.calls = []
    return read


def test_the_second_time_it_is_mapped_and_the_same(file, reader, cache):
    expected = read_list(file, NAMES)
    for _ in range(3):
        index = read_cached(reader, file, NAMES)
        assert same(index, expected)
        assert location_of(index.boxes).file == str(next(cache.iterdir()))
        for name in ARRAYS:
            assert getattr(index, name).dtype == getattr(expected, name).dtype
            assert getattr(index, name).flags.aligned
    assert len(reader.calls) == 1
    assert len(list(cache.iterdir())) == 1  # nothing half-made lies about


def test_every_array_is_kept():
    assert set(DTYPES) == set(ARRAYS)


def test_one_changed_byte_is_noticed_whatever_time_and_size_say(file, reader):
    status = file.stat()
    assert read_cached(reader, file, NAMES).labels[0] == 0
    file.write_text(LINES.replace("4,0", "4,1"), encoding="utf-8")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file.stat().st_size == status.st_size
    assert read_cached(reader, file, NAMES).labels[0] == 1
    assert len(reader.calls) == 2


def test_classes_folder_and_version_are_part_of_the_key(file, reader, tmp_path, monkeypatch):
    read_cached(reader, file, NAMES)
    assert read_cached(reader, file, ("cat", "fox")).class_names == ("cat", "fox")
    (tmp_path / "other").mkdir()
    moved = file.rename(tmp_path / "other" / "list.txt")
    assert read_cached(reader, moved, NAMES).path(0) == tmp_path / "other" / "a.jpg"
    monkeypatch.setattr(index_cache, "VERSION", 99)
    read_cached(reader, moved, NAMES)
    assert len(reader.calls) == 4


def test_an_equal_list_under_another_name_is_the_same(file, reader, tmp_path):
    read_cached(reader, file, NAMES)
    read_cached(reader, file.rename(tmp_path / "renamed.txt"), list(NAMES))
    assert len(reader.calls) == 1


def damaged(content):
    middle = len(content) // 2
    yield "cut", content[:-1]
    yield "cut within its head", content[:10]
    yield "empty", b""
    yield "longer", content + b"\0"
    yield "a flipped bit", content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    yield "a flipped bit in its header", content[:30] + bytes([content[30] ^ 1]) + content[31:]
    yield "foreign", b"PK\x03\x04" + bytes(500)
    yield "a pickle", pickle.dumps([1, 2])


def test_a_damaged_file_is_made_anew(file, reader, cache):
    expected = read_cached(reader, file, NAMES)
    (kept,) = cache.iterdir()
    content = kept.read_bytes()
    for calls, (name, bad) in enumerate(damaged(content), 2):
        kept.unlink()  # it is mapped
        kept.write_bytes(bad)
        assert same(read_cached(reader, file, NAMES), expected), name
        assert len(reader.calls) == calls, name
        assert kept.read_bytes() == content


def with_checksum(header, rest=b""):
    content = (header if isinstance(header, bytes) else json.dumps(header).encode()) + b"\n" + rest
    return index_cache.FILE_HEAD.pack(index_cache.SIGNATURE, index_cache.zlib.crc32(content)) + content


def test_a_forged_file_is_made_anew(file, reader, cache):
    read_cached(reader, file, NAMES)
    (kept,) = cache.iterdir()
    content = kept.read_bytes()[index_cache.FILE_HEAD.size :]
    text, _, arrays = content.partition(b"\n")
    true = json.loads(text)
    forged = [b"", b"[]", b"{}", b"3", b"[" * 100_000, {"key": kept.stem}]
    forged += [true | {"shapes": {name: [size] for name in DTYPES}} for size in (1 << 40, -1)]
    forged += [true | {"class_names": 5}, true | {"notes": [1]}]
    for calls, header in enumerate(forged, 2):
        kept.unlink()
        kept.write_bytes(with_checksum(header, arrays))
        assert len(read_cached(reader, file, NAMES)) == 3
        assert len(reader.calls) == calls, header


def test_what_is_no_file_is_not_read(file, reader, cache):
    """A named pipe would block the reader for ever; a folder cannot be replaced."""
    read_cached(reader, file, NAMES)
    (kept,) = cache.iterdir()
    kept.unlink()
    os.mkfifo(kept)
    assert len(read_cached(reader, file, NAMES)) == 3 and kept.is_file()
    kept.unlink()
    kept.mkdir()
    assert len(read_cached(reader, file, NAMES)) == 3 and kept.is_dir()
    assert [*cache.iterdir()] == [kept]


def test_a_kept_index_under_anothers_name_is_not_taken(file, reader, cache, tmp_path):
    read_cached(reader, file, NAMES)
    (first,) = cache.iterdir()
    file.write_text("z.jpg\n")
    read_cached(reader, file, NAMES)
    (second,) = set(cache.iterdir()) - {first}
    first.replace(second)
    assert read_cached(reader, file, NAMES).path(0).name == "z.jpg"


@pytest.mark.parametrize("blocked", ["cache", "cache/indexes"])
def test_without_a_folder_to_write_to_the_file_is_read(file, reader, tmp_path, blocked):
    (tmp_path / blocked).parent.mkdir(exist_ok=True)
    (tmp_path / blocked).write_text("in the way")
    for _ in range(2):
        assert len(read_cached(reader, file, NAMES)) == 3
    assert len(reader.calls) == 2


def test_a_full_disk_leaves_nothing_behind(file, reader, cache, monkeypatch):
    def full(path, *_):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(index_cache, "_write", full)
    assert len(read_cached(reader, file, NAMES)) == 3
    assert list(cache.iterdir()) == []


def test_another_process_that_writes_the_same_meanwhile_does_no_harm(file, cache, monkeypatch):
    write = index_cache._write

    def while_another_does(*arguments):
        monkeypatch.setattr(index_cache, "_write", write)
        write(*arguments)
        read_cached(read_list, file, NAMES)

    monkeypatch.setattr(index_cache, "_write", while_another_does)
    index = read_cached(read_list, file, NAMES)
    assert location_of(index.boxes).file == str(next(cache.iterdir()))
    assert len(list(cache.iterdir())) == 1


def test_small_files_are_not_kept(file, reader, cache, monkeypatch):
    monkeypatch.setattr(index_cache, "MIN_CACHED_BYTES", file.stat().st_size + 1)
    assert len(read_cached(reader, file, NAMES)) == 3
    assert not cache.exists()


def test_a_file_that_changes_while_it_is_read_is_not_kept(file, cache):
    def reader(path, names):
        index = read_list(path, names)
        path.write_text("z.jpg\n")
        return index

    assert len(read_cached(reader, file, NAMES)) == 3
    assert not cache.exists()
    assert len(read_cached(read_list, file, NAMES)) == 1


def test_a_bad_file_is_refused_as_ever(file, cache):
    file.write_text("a.jpg 1,2,3,4,7\n")
    for _ in range(2):
        with pytest.raises(ValueError, match="class 7"):
            read_cached(read_list, file, NAMES)
    assert not cache.exists()


def test_the_notes_of_a_reader_are_kept(tmp_path, monkeypatch):
    annotations = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, w]} for w in (4, 0)]
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 50, "width": 60}],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "cat"}],
    }
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    (tmp_path / "images").mkdir()
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        index = read_data("instances.json:images")
        assert [(note.kind, note.number) for note in index.notes] == [(OBJECTS_SKIPPED, 1)]
        assert index.notes[0].problems == (("instances.json", NOTE),)
        assert index.path(0) == tmp_path / "images" / "a.jpg" and index.class_names == ("cat",)
        assert index.sizes.tolist() == [[50, 60]]
    assert read_data(f"{path}:.").path(0) == tmp_path / "a.jpg"


def test_the_list_of_a_spec_is_kept(file, cache):
    assert len(read_data(str(file), NAMES)) == 3
    assert len(list(cache.iterdir())) == 1


def test_old_indexes_go_when_they_take_too_much(file, reader, cache, monkeypatch):
    sizes = []
    for number in range(4):
        file.write_text(f"{number}.jpg\n")
        read_cached(reader, file, NAMES)
        newest = max(cache.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        sizes.append(newest.stat().st_size)
        os.utime(newest, (number, number))  # long ago
    file.write_text("0.jpg\n")
    read_cached(reader, file, NAMES)  # used again
    monkeypatch.setattr(index_cache, "MAX_CACHE_BYTES", 3 * sizes[0])
    file.write_text("4.jpg\n")
    read_cached(reader, file, NAMES)
    assert len(list(cache.iterdir())) == 3 and len(reader.calls) == 5
    for name, calls in (("4", 5), ("0", 5), ("3", 5), ("2", 6)):
        file.write_text(f"{name}.jpg\n")
        read_cached(reader, file, NAMES)
        assert len(reader.calls) == calls, name


def test_an_index_larger_than_all_is_kept_alone(file, reader, cache, monkeypatch):
    monkeypatch.setattr(index_cache, "MAX_CACHE_BYTES", 1)
    for text in ("a.jpg\n", "b.jpg\n"):
        file.write_text(text)
        read_cached(reader, file, NAMES)
        assert len(list(cache.iterdir())) == 1
    assert read_cached(reader, file, NAMES).path(0).name == "b.jpg" and len(reader.calls) == 2


def test_parts_that_nobody_completes_go(file, reader, cache):
    cache.mkdir(parents=True)
    for name, age in (("old.part", 2 * index_cache.ABANDONED_SECONDS), ("new.part", 0)):
        (cache / name).touch()
        os.utime(cache / name, (time.time() - age, time.time() - age))
    read_cached(reader, file, NAMES)
    assert sorted(path.name for path in cache.glob("*.part")) == ["new.part"]


def read_and_sum(path):
    index_cache.MIN_CACHED_BYTES = 0
    return float(read_cached(read_list, path, NAMES).boxes.sum())


def box_sum(index):
    return location_of(index.boxes) is not None, float(index.boxes.sum())


def test_processes_that_write_at_once_do_no_harm(file, cache):
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        sums = pool.map(read_and_sum, [file] * 8, chunksize=1)
        index = read_cached(read_list, file, NAMES)
        assert sums == [float(read_list(file, NAMES).boxes.sum())] * 8
        assert len(list(cache.iterdir())) == 1
        assert pool.apply(box_sum, (index,)) == (True, sums[0])  # a spawned worker maps the same file


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "/home/me/.cache/boxwright/indexes"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/boxwright/indexes"),
        ("darwin", {}, "/home/me/Library/Caches/boxwright/indexes"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/boxwright/indexes"),
        ("win32", {}, "/home/me/AppData/Local/boxwright/indexes"),
        ("linux", {"BOXWRIGHT_CACHE": "/mine"}, "/mine/indexes"),
    ],
)
def test_the_folder_of_the_system(platform, variables, expected, monkeypatch):
    for name in ("BOXWRIGHT_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    assert cache_folder() == Path(expected).absolute()


def test_a_user_without_a_home_has_no_cache(file, reader, monkeypatch):
    def none():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("BOXWRIGHT_CACHE")
    monkeypatch.setattr(Path, "home", none)
    assert cache_folder() is None
    assert len(read_cached(reader, file, NAMES)) == 3
