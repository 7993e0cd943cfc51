"""Objects keep their tracks, and are counted when they cross a line or are within a zone."""

import sys

import numpy as np
import pytest

from tests.utils.video.video_cases import detections
from utils.video.tracking import (
    TRACK_COLOURS,
    Scene,
    Tracked,
    check_tracking,
    counts_in_words,
    named_tracks,
)

NAMES = ("car", "dog")


def box(x, y, size=20):
    return [x - size / 2, y - size / 2, x + size / 2, y + size / 2]


def scene(**options):
    pytest.importorskip("trackers", reason="needs the extra track")
    return Scene(NAMES, 25.0, 0.5, **options)


def follow(scene, *frames):
    """What is known after each frame; a frame is boxes with labels, by their centres."""
    return [
        scene.track(detections([box(x, y) for x, y, _ in things], [label for *_, label in things]))
        for things in frames
    ]


def test_tracks_stay_with_the_objects_whatever_their_order():
    frames = [[(50 + 5 * k, 50, 0), (300 - 5 * k, 200, 1)][:: 1 if k % 2 else -1] for k in range(12)]
    tracked = follow(scene(), *frames)
    by_label = [
        dict(zip(now.detections.labels.tolist(), now.tracks.tolist(), strict=True)) for now in tracked[3:]
    ]
    assert all(numbers == by_label[0] for numbers in by_label)
    assert len({*by_label[0].values()}) == 2 and min(by_label[0].values()) >= 0
    assert (tracked[0].tracks == -1).all(), "one frame alone may be a mistake"


def test_a_thing_that_is_hidden_for_a_moment_keeps_its_number():
    frames = [[(50 + 2 * k, 50, 0)] if not 8 <= k < 14 else [] for k in range(22)]
    tracked = follow(scene(), *frames)
    (before,), (after,) = tracked[7].tracks, tracked[21].tracks
    assert before == after >= 0 and len(tracked[10].tracks) == 0


def test_a_line_counts_by_class_and_way():
    """The line goes right; seen along it, up is left: "in". Two cars go up, a dog goes down."""
    frames = [[(50, 160 - 5 * k, 0), (150, 150 - 5 * k, 0), (250, 40 + 5 * k, 1)] for k in range(25)]
    tracked = follow(scene(line=(0, 100, 400, 100)), *frames)
    assert tracked[2].crossed == {"in": {}, "out": {}}
    assert tracked[-1].crossed == {"in": {"car": 2}, "out": {"dog": 1}} and tracked[-1].in_zone is None
    # The other way round, the same things go the other way; beyond its end nothing is counted.
    back = follow(scene(line=(400, 100, 0, 100)), *frames)[-1]
    assert back.crossed == {"in": {"dog": 1}, "out": {"car": 2}}
    assert follow(scene(line=(0, 100, 100, 100)), *frames)[-1].crossed == {"in": {"car": 1}, "out": {}}


def test_a_thing_that_wavers_on_the_line_does_not_cross_it():
    frames = [[(100, 98 + 4 * (k % 2), 0)] for k in range(40)]
    tracked = follow(scene(line=(0, 100, 400, 100)), *frames)
    assert tracked[-1].crossed == {"in": {}, "out": {}}


def test_a_zone_counts_what_is_within_it_now():
    frames = [[(24 + 10 * k, 50, 0), (120, 60, 1)] for k in range(20)]
    tracked = follow(scene(zone=(100, 0, 180, 0, 180, 100, 100, 100)), *frames)
    counts = [now.in_zone for now in tracked]
    assert counts[0] == {"dog": 1} and counts[8] == {"car": 1, "dog": 1} and counts[-1] == {"dog": 1}
    assert [k for k, count in enumerate(counts) if "car" in count] == [*range(8, 16)], "104 to 174"
    assert follow(scene(zone=(0, 0, 9, 0, 9, 9)), [])[-1].in_zone == {}


def test_names_and_colours_by_number():
    found = detections([box(20, 20)] * 4, [0, 1, 0, 1])
    labels, names = named_tracks(Tracked(found, np.array([5, 5 + TRACK_COLOURS, -1, 6])), NAMES)
    assert [names[label] for label in labels] == ["car #5", f"dog #{5 + TRACK_COLOURS}", "car", "dog #6"]
    assert labels[0] == 5 and len({*labels.tolist()}) == 4, "no two share a colour"
    labels, names = named_tracks(Tracked(found), NAMES)
    assert labels.tolist() == [0, 1, 0, 1] and names == [*NAMES]


def test_line_zone_and_counts_are_drawn():
    here = scene(line=(0, 100, 399, 100), zone=(10, 10, 60, 10, 60, 60, 10, 60))
    (tracked,) = follow(here, [(35, 35, 0)])
    image = np.full((300, 400, 3), 90, np.uint8)
    here.draw(image, tracked)
    assert image[100, 200].min() > 200 and image[10, 35].min() > 200 and image[60, 35].min() > 200
    assert image[150, 200].tolist() == [90] * 3
    assert (image[220:, :120] == 0).mean() > 0.2 and (image[220:, :120] > 200).mean() > 0.01
    assert counts_in_words(tracked) == ["crossed, in: 0", "crossed, out: 0", "in the zone: car 1"]
    assert counts_in_words(Tracked(detections([]))) == []


def test_flags_that_make_no_line_or_zone():
    with pytest.raises(ValueError, match=r"--line .* the same point"):
        check_tracking((1, 2, 1, 2), (), True)
    for zone in ((1, 2, 3, 4), (1, 2, 3, 4, 5, 6, 7)):
        with pytest.raises(ValueError, match=r"--zone .* at least three corners"):
            check_tracking(None, zone, True)
    check_tracking((1, 2, 3, 4), (1, 2, 3, 4, 5, 6), False)


def test_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "trackers", None)
    check_tracking(None, (), False)
    with pytest.raises(ValueError, match="pip install trackers"):
        check_tracking(None, (), True)
