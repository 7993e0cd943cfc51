"""A small detector, and the files that it is exported to."""

import pytest

from tests.utils.export.exports import OPTIONS, small_detector, write_small


@pytest.fixture(scope="package")
def detector():
    return small_detector()


@pytest.fixture(scope="package")
def files(detector, tmp_path_factory):
    """Each case's file, written when it is first asked for."""
    folder, written = tmp_path_factory.mktemp("模型 x"), {}

    def file(kind, options="fixed"):
        if (kind, options) not in written:
            written[kind, options] = write_small(detector, folder, kind, options, **OPTIONS[options])
        return written[kind, options]

    return file
