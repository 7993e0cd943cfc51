"""Published weights: the table, and what becomes of the file in each state it can be in."""

import hashlib
import re

import pytest

from nets import ZOO
from tests.utils.system.file_server import CONTENT, serve, whole
from utils.system.http_requests import is_allowed_url
from utils.weights.pretrained import SOURCES, WeightsSource, pretrained_weights, weights_source

SUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch):
    """Puts a server's address into the table, as that of yolox_nano's weights."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve(whole) as (address, requests):

        def offer(sha256=SUM):
            monkeypatch.setitem(SOURCES, "yolox_nano", WeightsSource(address, sha256, "Apache-2.0"))
            return requests

        yield offer


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
def test_entries_of_the_table_are_sound(source):
    assert is_allowed_url(source.url) and source.url.startswith("https://")
    assert re.fullmatch(r"[\w.-]+\.(pth|pt|weights)", source.file_name)
    assert re.fullmatch(r"([0-9a-f]{64})?", source.sha256)
    assert source.licence in ("public domain", "Apache-2.0", "BSD-3-Clause", "MIT")
    if "pytorch.org" in source.url:  # their names end in the first digits of the sum
        assert source.file_name.split("-")[-1] == f"{source.sha256[:8]}.pth"


def test_no_two_models_share_a_file():
    assert len({source.file_name for source in SOURCES.values()}) == len(SOURCES)


def test_every_model_of_yolox_and_darknet_is_in_the_table():
    assert {name for name in ZOO if name.startswith(("yolox", "yolov3", "yolov4"))} <= SOURCES.keys()


def test_fetched_once_then_used_without_network(server, tmp_path, capsys):
    requests = server()
    path = pretrained_weights("yolox_nano", tmp_path / "model_data")
    assert path == tmp_path / "model_data" / "weights.pth" and path.read_bytes() == CONTENT
    output = capsys.readouterr().out
    assert SOURCES["yolox_nano"].url in output and "Apache-2.0" in output
    assert pretrained_weights("yolox_nano", tmp_path / "model_data") == path
    assert len(requests) == 1 and capsys.readouterr().out == ""


def test_a_file_that_cannot_be_verified_is_named_with_its_sum(server, tmp_path, capsys):
    requests = server(sha256="")
    for _ in range(2):
        pretrained_weights("yolox_nano", tmp_path)
        output = capsys.readouterr().out
        assert "could not be verified" in output and SUM in output
    assert len(requests) == 1


def test_another_file_in_its_place_is_left_alone(server, tmp_path):
    requests = server()
    (tmp_path / "weights.pth").write_bytes(b"the user's own")
    with pytest.raises(ValueError, match="is not the published file") as error:
        pretrained_weights("yolox_nano", tmp_path)
    own = hashlib.sha256(b"the user's own").hexdigest()
    for text in (own, SUM, f"--weights {tmp_path / 'weights.pth'}", SOURCES["yolox_nano"].url):
        assert text in str(error.value)
    assert (tmp_path / "weights.pth").read_bytes() == b"the user's own" and not requests


def test_a_model_without_published_weights():
    with pytest.raises(ValueError, match=r"'yolo'.*yolox_tiny"):
        weights_source("yolo")
