"""Checks for images that are there twice: within a split, and in two of them."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from utils.doctor.finding import SMALL_SHARE, Finding, Location, by_split, number_of
from utils.doctor.near_duplicates import (
    Fingerprints,
    find_copies,
    fingerprints,
    mirror_fingerprints,
    same_image,
    same_in_detail,
    same_scene,
)
from utils.doctor.splits import Split
from utils.images.image_io import read_image

SCENE_SHARE = 0.05  # of a split: single images of one scene are chance


class Copies(NamedTuple):
    """For each image of a split the one that it copies, int64 [N], -1 for none; each image is in one only.

    exact  the same bytes
    near   the same image, saved again, perhaps mirrored
    scene  the same scene, with something moved
    """

    exact: np.ndarray
    near: np.ndarray
    scene: np.ndarray


def check_copies(splits: Sequence[Split]) -> list[Finding]:
    """Copies within each split, and of each split in the ones before it: training comes first."""
    prints = [fingerprints(_thumbnails(split)) for split in splits]
    within = [find_all_copies(split, its, split, its) for split, its in zip(splits, prints, strict=True)]
    findings = list(_repeats(splits, within))
    for one, other in combinations(range(len(splits)), 2):
        copies = find_all_copies(splits[other], prints[other], splits[one], prints[one])
        findings += _leaks(splits[other], splits[one], copies)
    return findings


def find_all_copies(of: Split, its: Fingerprints, among: Split, other: Fingerprints) -> Copies:
    """What in `of` is a copy of what in `among`; in one and the same split, of what stands before it."""
    itself = of is among
    exact = _same_files(of, among)
    near = _free(find_copies(its, other, same_image, only_earlier=itself), exact)
    mirror = find_copies(mirror_fingerprints(its), other, same_image, only_earlier=itself)
    near = _confirmed(of, among, np.where(near < 0, _free(mirror, exact), near))
    scene = np.full(len(exact), -1) if itself else find_copies(its, other, same_scene)
    return Copies(exact, near, _free(_free(scene, exact), near))


def _repeats(splits: Sequence[Split], within: Sequence[Copies]) -> Iterator[Finding]:
    exact = [place for s, copies in zip(splits, within, strict=True) for place in _places(s, s, copies.exact)]
    near = [place for s, copies in zip(splits, within, strict=True) for place in _places(s, s, copies.near)]
    if exact:
        sentence = (
            f"{number_of(len(exact), 'image', 'repeat')} others of the same split "
            f"({by_split(exact, splits)}): they count twice."
        )
        fix = "Remove one of each pair; if the labels of the two differ, keep the right ones."
        yield Finding("copies", "warning", len(exact), sentence, fix, exact)
    if near:
        sentence = (
            f"{number_of(len(near), 'image', 'look')} the same as others in their split "
            f"({by_split(near, splits)}), as frames of a video or saved copies do."
        )
        fix = "They teach little: remove them, or spread what you label over more scenes."
        yield Finding("near-copies", "note", len(near), sentence, fix, near)


def _leaks(of: Split, among: Split, copies: Copies) -> Iterator[Finding]:
    deceives = f"figures measured on {of.name} look better than the detector is"
    if exact := _places(of, among, copies.exact):
        sentence = f"Of {of.name}, {number_of(len(exact), 'image', 'are')} also in {among.name}: {deceives}."
        fix = f"Remove them from {of.name} or from {among.name}: problems.json lists them."
        yield Finding("leak", "serious", len(exact), sentence, fix, exact)
    if near := _places(of, among, copies.near):
        sentence = (
            f"Of {of.name}, {number_of(len(near), 'image', 'look')} the same as others of {among.name} "
            f"(near-duplicates): {deceives}."
        )
        fix = (
            f"Remove them from {of.name}: problems.json lists them. Split by scene, video or day, before "
            f"copies are made, not image by image."
        )
        severe = len(near) > SMALL_SHARE * len(of.index)
        yield Finding("near-leak", "serious" if severe else "warning", len(near), sentence, fix, near)
    scene = _places(of, among, copies.scene)
    if len(scene) > SCENE_SHARE * len(of.index):
        sentence = (
            f"Of {of.name}, {number_of(len(scene), 'image', 'show')} the scene of others of {among.name}, "
            f"as from one fixed camera: figures measured on {of.name} hold for that scene alone."
        )
        fix = "Where the detector is to work elsewhere too, test it on scenes that it was not trained on."
        yield Finding("same-scene", "warning", len(scene), sentence, fix, scene)


def _same_files(of: Split, among: Split) -> np.ndarray:
    """The first image of `among` with the same bytes, which is not the image itself."""
    first: dict[bytes, int] = {}
    for image, facts in enumerate(among.facts):
        first.setdefault(facts.digest, image)
    first.pop(b"", None)  # of files that cannot be read
    found = [first.get(facts.digest, -1) for facts in of.facts]
    return np.array([-1 if among is of and other == k else other for k, other in enumerate(found)], np.int64)


def _confirmed(of: Split, among: Split, near: np.ndarray) -> np.ndarray:
    """`near` without pairs whose objects differ and whose images do so too when looked at more closely."""
    confirmed = near.copy()
    for image in np.flatnonzero(near >= 0).tolist():
        if _labels_differ(of, image, among, near[image]):
            pair = read_image(of.index.path(image)), read_image(among.index.path(near[image]))
            confirmed[image] = near[image] if same_in_detail(*pair) else -1
    return confirmed


def _labels_differ(of: Split, image: int, among: Split, other: int) -> bool:
    """Whether the two have other classes, or other numbers of them."""
    one, two = of.index.labels[of.index.span(image)], among.index.labels[among.index.span(other)]
    return sorted(one.tolist()) != sorted(two.tolist())


def _free(partner: np.ndarray, taken: np.ndarray) -> np.ndarray:
    return np.where(taken < 0, partner, -1)


def _thumbnails(split: Split) -> np.ndarray:
    return np.stack([facts.thumbnail for facts in split.facts])


def _places(of: Split, among: Split, partner: np.ndarray) -> list[Location]:
    return [
        Location(
            of.name,
            str(of.index.path(image)),
            image,
            detail="their labels differ" if _labels_differ(of, image, among, partner[image]) else "",
            like=str(among.index.path(partner[image])),
        )
        for image in np.flatnonzero(partner >= 0).tolist()
    ]
