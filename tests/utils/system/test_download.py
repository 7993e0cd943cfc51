"""Downloads from a server on this machine, with the faults that networks have."""

import errno
import hashlib
import io
import os
import shutil
import threading
import time
from collections import namedtuple
from pathlib import Path

import pytest

from tests.utils.system.file_server import CONTENT, cut, redirect, serve, stalls, status, whole
from utils.system.download import PART_EXPIRY, download, file_sha256
from utils.system.http_requests import is_allowed_url

SUM = hashlib.sha256(CONTENT).hexdigest()
FAST = {"timeout": 5.0, "retry_delays": (0.0, 0.0)}  # three attempts


@pytest.fixture(autouse=True)
def without_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new 文件夹" / "weights.pth"


def fetched(path, *answers, sha256=SUM, **options):
    """Download with these answers of the server; returns the requests that it got."""
    with serve(*answers) as (address, requests):
        download(address, path, sha256, **(FAST | options))
    assert path.read_bytes() == CONTENT
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    return requests


def refused(path, *answers, sha256=SUM, **options):
    """Download in vain; returns the message, which says how to do without."""
    with serve(*answers) as (address, requests), pytest.raises(ValueError) as error:
        download(address, path, sha256, **(FAST | options))
    assert not path.exists()
    message = str(error.value)
    for text in (address, str(path.parent.absolute()), f"under the name {path.name}", "HTTPS_PROXY"):
        assert text in message
    return message, requests


def ranges(requests):
    return [request.headers.get("Range") for request in requests]


def leave_part(path, content, age=0.0, name=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{name}part")
    part.write_bytes(content)
    os.utime(part, (time.time() - age,) * 2)
    return part


def test_a_file_arrives_whole(path):
    requests = fetched(path, whole)
    assert ranges(requests) == [None] and requests[0].headers["User-Agent"] == "boxwright"


@pytest.mark.parametrize("sha256", [SUM[:8], ""])
def test_a_sum_of_which_little_or_nothing_is_known(path, sha256):
    fetched(path, whole, sha256=sha256)


def test_a_cut_off_connection_goes_on_where_it_broke(path):
    requests = fetched(path, cut(100_000), cut(50_000), whole)
    assert ranges(requests) == [None, "bytes=100000-", "bytes=150000-"]
    assert requests[1].headers["If-Range"] == '"one"'


def test_a_later_call_goes_on_where_the_last_broke(path):
    message, _ = refused(path, cut(100_000), status(503))
    assert "503" in message and "3 times in a row" in message
    assert ranges(fetched(path, whole)) == ["bytes=100000-"]


def test_a_file_without_a_sum_begins_anew_in_a_later_call(path):
    refused(path, cut(100_000), status(503), sha256="")
    assert list(path.parent.iterdir()) == []
    leave_part(path, CONTENT[:100])
    assert ranges(fetched(path, whole, sha256="")) == [None]


def test_a_file_that_changes_meanwhile_is_not_mixed(path):
    other = bytes(len(CONTENT))
    requests = fetched(path, cut(100_000, content=other, tag='"zero"'), whole, sha256="")
    assert ranges(requests) == [None, "bytes=100000-"]  # refused by If-Range: the whole file comes


def test_a_server_without_ranges_begins_anew(path):
    requests = fetched(path, cut(100_000, ranges=False), lambda handler: whole(handler, ranges=False))
    assert ranges(requests) == [None, "bytes=100000-"]


def test_a_part_that_is_complete_needs_no_more_bytes(path):
    leave_part(path, CONTENT)
    assert ranges(fetched(path, whole)) == [f"bytes={len(CONTENT)}-"]


def test_a_part_that_is_too_long_or_wrong_begins_anew(path):
    leave_part(path, CONTENT + b"more")
    assert ranges(fetched(path, whole)) == [f"bytes={len(CONTENT) + 4}-", None]
    path.unlink()
    leave_part(path, b"x" * 1000)
    assert ranges(fetched(path, whole)) == ["bytes=1000-", None]


def test_the_part_of_a_killed_process_is_used_and_that_of_a_living_one_is_not(path):
    leave_part(path, CONTENT[:5000], age=2 * PART_EXPIRY, name="dead.")
    living = leave_part(path, CONTENT[:7000], name="beef.")
    with serve(whole) as (address, requests):
        download(address, path, SUM, **FAST)
    assert ranges(requests) == ["bytes=5000-"] and path.read_bytes() == CONTENT
    assert set(path.parent.iterdir()) == {path, living}


def test_another_file_is_removed(path):
    message, requests = refused(path, lambda handler: whole(handler, content=CONTENT[:-1] + b"?"))
    assert f"not {SUM}" in message and len(requests) == 1
    assert list(path.parent.iterdir()) == []


def test_a_length_that_is_wrong(path):
    """Longer than what comes: the connection seems to break off; shorter: the file is another one."""

    def lie(difference):
        def answer(handler):
            handler.begin(200, len(CONTENT) + difference)
            handler.wfile.write(CONTENT)

        return answer

    assert "broke off after 307,200 of 307,210 bytes" in refused(path, lie(10))[0]
    assert "another file" in refused(path, lie(-10))[0]


def test_not_found_is_not_tried_again(path):
    message, requests = refused(path, status(404))
    assert "404" in message and len(requests) == 1


def test_a_busy_server_is_tried_again(path):
    assert len(fetched(path, status(500), status(429), whole)) == 3


def test_a_server_that_falls_silent(path):
    assert len(fetched(path, stalls(1.0, sent=1000), whole, timeout=0.2)) == 2
    path.unlink()
    assert "did not answer in time" in refused(path, stalls(0.5), timeout=0.05)[0]


def test_no_server_at_all(path):
    with serve(whole) as (address, _):
        pass
    with pytest.raises(ValueError, match="the connection failed"):
        download(address, path, SUM, **FAST)


def test_redirects_are_followed_but_not_to_unsafe_places(path):
    with serve(whole) as (address, _):
        fetched(path, redirect(address))
        path.unlink()
        fetched(path, redirect("/elsewhere.pth"), whole)
        path.unlink()
    for place in ("http://example.com/weights.pth", "ftp://127.0.0.1/weights.pth"):
        message, requests = refused(path, redirect(place))
        assert place in message and len(requests) == 1


def test_a_web_page_is_no_file(path):
    def page(handler):
        handler.begin(200, 6, Content_Type="text/html; charset=utf-8")
        handler.wfile.write(b"<html>")

    assert "a web page" in refused(path, page, sha256="")[0]


def test_the_proxy_of_the_environment_is_used(path, monkeypatch):
    monkeypatch.delenv("no_proxy")
    with serve(whole) as (proxy, requests):
        monkeypatch.setenv("http_proxy", proxy.removesuffix("/folder/weights.pth"))
        download("http://127.0.0.1:9/far/weights.pth", path, SUM, **FAST)
    assert [request.path for request in requests] == ["http://127.0.0.1:9/far/weights.pth"]


def test_which_urls_are_allowed():
    assert is_allowed_url("https://example.com/a/b.pth") and is_allowed_url("http://127.0.0.1:80/b.pt")
    for address in ("http://example.com/b.pth", "https://example.com/", "https://example.com/b.pth?x=1"):
        assert not is_allowed_url(address)
        with pytest.raises(ValueError, match="only https"):
            download(address, Path("nowhere") / "b.pth")
    assert not is_allowed_url("file:///etc/b.pth") and not Path("nowhere").exists()


def test_a_disk_that_is_full_before_or_while_writing(path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda folder: usage(10, 10, 1000))
        assert "it takes 0 MB, and 0 MB of disk space are free" in refused(path, whole)[0]

    class Full(io.FileIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda file, mode: Full(file, mode))
        assert "No space left on device" in refused(path, whole)[0]
    assert list(path.parent.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    message, requests = refused(tmp_path / "file" / "weights.pth", whole)
    assert "file" in message and requests == []


def at_once(address, path, number=6):
    """Download in several threads; returns the errors."""
    errors = []

    def one():
        try:
            download(address, path, SUM, **FAST)
        except ValueError as error:
            errors.append(error)

    threads = [threading.Thread(target=one) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def test_several_at_once_do_not_harm_each_other(path):
    leave_part(path, CONTENT[:1000])
    with serve(cut(10_000)) as (address, _):
        assert len(at_once(address, path)) == 6  # all attempts together get 180,000 bytes
    with serve(whole) as (address, requests):
        assert at_once(address, path) == []
    assert file_sha256(path) == SUM
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert len([first for first in ranges(requests) if first]) == 1  # one alone went on from the part
