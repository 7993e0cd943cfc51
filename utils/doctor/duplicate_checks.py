"""Checks for duplicate images: within a split, and leaked from one split to another."""

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

SCENE_SHARE = 0.05  # fraction of a split: fewer images of the same scene are chance


class Copies(NamedTuple):
    """Index of the image that each image of a split copies: int64 [N], -1 for none; set in at most one field.

    exact  image with the same bytes
    near   near-duplicate: the same image, re-encoded, perhaps mirrored
    scene  image of the same scene, with something moved
    """

    exact: np.ndarray
    near: np.ndarray
    scene: np.ndarray


def check_copies(splits: Sequence[Split]) -> list[Finding]:
    """Return all findings about duplicates, within each split and between each pair of splits."""
    prints = [fingerprints(_thumbnails(split)) for split in splits]
    findings = list(_repeats(splits, prints))
    for one, other in combinations(range(len(splits)), 2):
        copies = find_all_copies(splits[other], prints[other], splits[one], prints[one])
        findings += _leaks(splits[other], splits[one], copies)
    return findings


def find_all_copies(of: Split, of_prints: Fingerprints, among: Split, among_prints: Fingerprints) -> Copies:
    """Find images of `of` that copy an image of `among`; if both are the same split, an earlier image."""
    itself = of is among
    exact = _same_files(of, among)
    near = _unless(exact, find_copies(of_prints, among_prints, same_image, only_earlier=itself))
    mirrored = find_copies(mirror_fingerprints(of_prints), among_prints, same_image, only_earlier=itself)
    near = _confirmed(of, among, np.where(near < 0, _unless(exact, mirrored), near))
    scene = np.full(len(exact), -1) if itself else find_copies(of_prints, among_prints, same_scene)
    return Copies(exact, near, _unless(near, _unless(exact, scene)))


def _repeats(splits: Sequence[Split], prints: Sequence[Fingerprints]) -> Iterator[Finding]:
    exact, near = [], []
    for split, split_prints in zip(splits, prints, strict=True):
        copies = find_all_copies(split, split_prints, split, split_prints)
        exact += _locations(split, split, copies.exact)
        near += _locations(split, split, copies.near)
    if exact:
        sentence = (
            f"{number_of(len(exact), 'image', 'repeat')} others of the same split "
            f"({by_split(exact, splits)}): they count twice."
        )
        fix = "Remove one of each pair; if the labels of the two differ, keep the correct ones."
        yield Finding("copies", "warning", len(exact), sentence, fix, exact)
    if near:
        sentence = (
            f"{number_of(len(near), 'image', 'look')} the same as others in their split "
            f"({by_split(near, splits)}), like video frames or re-saved copies."
        )
        fix = "They add little to training: remove them, or spread your labelling over more scenes."
        yield Finding("near-copies", "note", len(near), sentence, fix, near)


def _leaks(of: Split, among: Split, copies: Copies) -> Iterator[Finding]:
    leakage = f"this data leakage makes metrics measured on {of.name} too good"
    if exact := _locations(of, among, copies.exact):
        sentence = f"Of {of.name}, {number_of(len(exact), 'image', 'are')} also in {among.name}: {leakage}."
        fix = f"Remove them from {of.name} or from {among.name}: problems.json lists them."
        yield Finding("leak", "serious", len(exact), sentence, fix, exact)
    if near := _locations(of, among, copies.near):
        sentence = (
            f"Of {of.name}, {number_of(len(near), 'image', 'look')} the same as others of {among.name} "
            f"(near-duplicates): {leakage}."
        )
        fix = (
            f"Remove them from {of.name}: problems.json lists them. Split by scene, video or day, and before "
            f"making copies, rather than image by image."
        )
        many = len(near) > SMALL_SHARE * len(of.index)
        yield Finding("near-leak", "serious" if many else "warning", len(near), sentence, fix, near)
    scene = _locations(of, among, copies.scene)
    if len(scene) > SCENE_SHARE * len(of.index):
        sentence = (
            f"Of {of.name}, {number_of(len(scene), 'image', 'show')} the same scene as others of "
            f"{among.name}, as if from one fixed camera: metrics measured on {of.name} hold for that scene."
        )
        fix = "If the detector is to work elsewhere too, test it on scenes that it was not trained on."
        yield Finding("same-scene", "warning", len(scene), sentence, fix, scene)


def _same_files(of: Split, among: Split) -> np.ndarray:
    """Return the index of the first other image in `among` with the same bytes: int64 [N], -1 for none."""
    first: dict[bytes, int] = {}
    for number, facts in enumerate(among.facts):
        first.setdefault(facts.digest, number)
    first.pop(b"", None)  # digest of unreadable files
    found = [first.get(facts.digest, -1) for facts in of.facts]
    return np.array([-1 if among is of and other == k else other for k, other in enumerate(found)], np.int64)


def _confirmed(of: Split, among: Split, near: np.ndarray) -> np.ndarray:
    """Return `near` without pairs whose labels differ, if the images also differ at higher resolution."""
    confirmed = near.copy()
    for number in np.flatnonzero(near >= 0).tolist():
        if _labels_differ(of, number, among, near[number]):
            pair = read_image(of.index.path(number)), read_image(among.index.path(near[number]))
            confirmed[number] = near[number] if same_in_detail(*pair) else -1
    return confirmed


def _labels_differ(of: Split, number: int, among: Split, other: int) -> bool:
    """Return whether the two images differ in the number of objects of any class."""
    one, two = of.index.labels[of.index.span(number)], among.index.labels[among.index.span(other)]
    return sorted(one.tolist()) != sorted(two.tolist())


def _unless(taken: np.ndarray, partner: np.ndarray) -> np.ndarray:
    """Return `partner`, with -1 for images that have a partner in `taken`."""
    return np.where(taken < 0, partner, -1)


def _thumbnails(split: Split) -> np.ndarray:
    return np.stack([facts.thumbnail for facts in split.facts])


def _locations(of: Split, among: Split, partner: np.ndarray) -> list[Location]:
    return [
        Location(
            of.name,
            str(of.index.path(number)),
            number,
            detail="their labels differ" if _labels_differ(of, number, among, partner[number]) else "",
            like=str(among.index.path(partner[number])),
        )
        for number in np.flatnonzero(partner >= 0).tolist()
    ]
