"""Copies are found whatever was done to them, exactly as by comparing every pair."""

import cv2
import numpy as np
import pytest

from utils.doctor.near_duplicates import (
    MAX_DIFFERING_BITS,
    Fingerprints,
    find_copies,
    fingerprints,
    mirror_fingerprints,
    perceptual_hashes,
    same_image,
    same_in_detail,
    same_scene,
)


def scenes(number, seed=0, size=320):
    """Images of smooth patches, all different."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (number, 6, 6), dtype=np.uint8)
    return [cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC) for image in small]


def thumbnails(images):
    return np.stack([cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA) for image in images])


def bits(one, other):
    return (one ^ other).item().bit_count()


CHANGES = {
    "quality": lambda p: cv2.imdecode(cv2.imencode(".jpg", p, [cv2.IMWRITE_JPEG_QUALITY, 20])[1], 0),
    "half": lambda p: cv2.resize(p, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "wide": lambda p: cv2.resize(p, (640, 200), interpolation=cv2.INTER_AREA),
    "brighter": lambda p: (p * 0.6 + 60).astype(np.uint8),
    "noise": lambda p: (p + np.random.default_rng(0).normal(0, 15, p.shape)).clip(0, 255).astype(np.uint8),
    "blur": lambda p: cv2.GaussianBlur(p, (0, 0), 3),
}


@pytest.mark.parametrize("change", CHANGES)
def test_saved_again_is_found(change):
    images = scenes(30)
    again = [CHANGES[change](image) for image in images]
    found = find_copies(fingerprints(thumbnails(again)), fingerprints(thumbnails(images)), same_image)
    assert found.tolist() == list(range(30))


def test_mirrored_images_are_found_as_such():
    images = scenes(30)
    prints = fingerprints(thumbnails(images))
    turned = fingerprints(thumbnails([image[:, ::-1] for image in images]))
    assert (find_copies(turned, prints, same_scene) == -1).all()
    assert find_copies(mirror_fingerprints(turned), prints, same_image).tolist() == list(range(30))


def test_others_are_not_found():
    among = fingerprints(thumbnails(scenes(200, seed=1)))
    assert (find_copies(fingerprints(thumbnails(scenes(200))), among, same_scene) == -1).all()


def test_a_thing_moved_is_the_scene_but_not_the_image():
    one, other = scenes(1)[0], scenes(1)[0]
    one[100:120, 100:120], other[200:220, 200:220] = (255 - p[110, 110] for p in (one, other))
    prints = [fingerprints(thumbnails([image])) for image in (one, other)]
    assert find_copies(*prints, same_image).tolist() == [-1]
    assert find_copies(*prints, same_scene).tolist() == [0]


@pytest.mark.parametrize("change", [*CHANGES, "mirrored"])
def test_in_detail_an_image_saved_again_is_the_same(change):
    change = CHANGES.get(change, lambda p: p[:, ::-1])
    for image in scenes(5):
        assert same_in_detail(*(cv2.cvtColor(p, cv2.COLOR_GRAY2RGB) for p in (image, change(image))))


def test_in_detail_a_small_thing_is_seen():
    """Of 5 pixels in 320: more than one in 96, half of one in 32."""
    one = cv2.cvtColor(scenes(1)[0], cv2.COLOR_GRAY2RGB)
    other = one.copy()
    other[103:108, 103:108] = np.where(other[103:108, 103:108] < 128, 90, -90) + other[103:108, 103:108]
    prints = [fingerprints(thumbnails([p[..., 0]])) for p in (one, other)]
    assert find_copies(*prints, same_image).tolist() == [0]
    assert not same_in_detail(one, other)


def test_within_one_set_the_first_of_a_group_is_kept():
    a, b, c = scenes(3)
    prints = fingerprints(thumbnails([a, b, a, c, a, b]))
    found = find_copies(prints, prints, same_image, only_earlier=True).tolist()
    assert found[:2] == [-1, -1] and found[2] == 0 and found[3] == -1 and found[4] in (0, 2) and found[5] == 1


def test_flat_images_and_no_images_are_like_none():
    flat = fingerprints(np.full((3, 32, 32), 200, np.uint8))
    assert find_copies(flat, flat, same_image).tolist() == [-1, -1, -1]
    empty = fingerprints(np.zeros((0, 32, 32), np.uint8))
    assert find_copies(empty, empty, same_image).tolist() == []
    assert find_copies(fingerprints(thumbnails(scenes(2))), empty, same_scene).tolist() == [-1, -1]


@pytest.mark.parametrize("apart", range(10))
def test_multi_index_hashing_is_exact(apart):
    """Hashes with that many bits flipped, anywhere, are found up to 7 bits, and not beyond."""
    rng = np.random.default_rng(apart)
    hashes = rng.integers(0, 2**64, 300, dtype=np.uint64)
    flips = [sum(1 << int(bit) for bit in rng.choice(64, apart, replace=False)) for _ in hashes]
    changed = hashes ^ np.array(flips, np.uint64)
    textured = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (300, 32, 1))
    one, other = (Fingerprints(textured, each, np.zeros((300, 64))) for each in (changed, hashes))
    found = find_copies(one, other, lambda of, rows, among, columns: np.ones(len(rows), bool))
    assert (found == (np.arange(300) if apart <= MAX_DIFFERING_BITS else -1)).all()


def test_the_same_as_comparing_every_pair(monkeypatch):
    """Frames of one camera, many alike; in blocks so small that each is asked for in several rounds."""
    monkeypatch.setattr("utils.doctor.near_duplicates.PAIRS_PER_BLOCK", 7)
    rng = np.random.default_rng(0)
    frames = np.stack([thumbnails(scenes(1))[0]] * 60)
    for frame in frames:
        y, x = rng.integers(0, 29, 2)
        frame[y : y + 3, x : x + 3] = rng.integers(0, 256)
    prints = fingerprints(frames)
    found = find_copies(prints, prints, same_image, only_earlier=True)
    for number in range(60):
        earlier = np.arange(number)
        near = np.array(
            [bits(prints.hashes[number], prints.hashes[k]) <= MAX_DIFFERING_BITS for k in earlier], bool
        )
        alike = near & same_image(prints, np.full(number, number), prints, earlier)
        assert (found[number] in earlier[alike]) if alike.any() else found[number] == -1
    assert 0 < (found >= 0).sum() < 59  # both cases occur


@pytest.mark.parametrize("wanted", [0, 1, 2, 5, 6, 21, 39])
def test_the_only_one_alike_is_found_among_many_with_the_same_hash(wanted):
    """Whichever round of candidates it is in: 1, 4, 16, ... of them."""
    prints = fingerprints(thumbnails(scenes(1) * 40))
    one = fingerprints(thumbnails(scenes(1)))
    assert find_copies(one, prints, lambda of, rows, among, found: found == wanted).tolist() == [wanted]


def test_hashes_do_not_depend_on_brightness_and_contrast():
    one = thumbnails(scenes(20))
    assert (perceptual_hashes((one // 2 + 40).astype(np.uint8)) ^ perceptual_hashes(one)).astype(
        bool
    ).mean() < 1
    worst = max(
        bits(*pair) for pair in zip(perceptual_hashes(one), perceptual_hashes(one // 2 + 40), strict=True)
    )
    assert worst <= 3
