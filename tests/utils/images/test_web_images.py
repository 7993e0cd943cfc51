"""Images from a server on this machine: into memory, within bounds, and what is said where it fails."""

import pytest

from tests.utils.system.file_server import CONTENT, cut, redirect, serve, stalls, status, whole
from utils.images import web_images
from utils.images.image_io import ImageError
from utils.images.web_images import fetch, is_web_url, url_file_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [("http://a.b/c.jpg", True), ("HTTPS://a.b", True), ("ftp://a.b/c.jpg", False), ("http/a.jpg", False)],
)
def test_what_a_url_is(text, expected):
    assert is_web_url(text) is expected


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://a.org/x/y%20z.jpg?w=3#f", "y z.jpg"),
        ("https://a.org/x/", "x"),
        ("https://a.org", "a.org"),
        ("https://a.org/%E7%8C%AB.png", "猫.png"),
        ("https://a.org/a%3Fb%2F..", "_"),
    ],
)
def test_names(address, name):
    assert url_file_name(address) == name


def test_the_bytes_come_whole():
    with serve(whole) as (address, requests):
        assert fetch(address).tobytes() == CONTENT
        assert len(requests) == 1


def test_spaces_and_letters_beyond_ascii_are_quoted():
    with serve(whole) as (address, requests):
        fetch(address.replace("folder", "a b/猫") + "?q=ä&r=%20")
    assert requests[0].path == "/a%20b/%E7%8C%AB/weights.pth?q=%C3%A4&r=%20"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (status(404), "the server answers 404"),
        (status(500), "the server answers 500"),
        (stalls(1), "did not answer in time"),
        (lambda handler: handler.begin(200, 0, Content_Type="text/html"), "sends a web page"),
        (redirect("http://example.org/x.jpg"), "only https is safe"),
    ],
)
def test_what_goes_wrong_is_said(answer, reason):
    with serve(answer) as (address, _), pytest.raises(ImageError) as error:
        fetch(address, timeout=0.2)
    assert str(error.value).startswith(f"{address}: ") and reason in str(error.value)


def test_an_image_cut_off_is_not_taken_for_whole():
    with (
        serve(cut(1000)) as (address, _),
        pytest.raises(ImageError, match="after 1,000 of 307,200 bytes"),
    ):
        fetch(address)


def test_too_many_bytes(monkeypatch):
    monkeypatch.setattr(web_images, "MAX_FETCHED_BYTES", 100_000)
    with serve(whole) as (address, _), pytest.raises(ImageError, match="larger than 0 MB"):
        fetch(address)


def test_too_long():
    with serve(whole) as (address, _), pytest.raises(ImageError, match="longer than -1 s"):
        fetch(address, max_seconds=-1)


@pytest.mark.parametrize(
    "address", ["http://", "http://127.0.0.1:1/a.jpg", "http://[/a.jpg", "https://a:b/c"]
)
def test_no_such_server(address):
    with pytest.raises(ImageError) as error:
        fetch(address, timeout=1)
    assert str(error.value).startswith(f"{address}: ")
