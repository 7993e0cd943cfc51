"""Images that are the same but for how they were saved, found among many without comparing each pair.

An image's 64-bit hash is the signs of its lowest frequencies (the pHash of Zauner, "Implementation and
benchmarking of perceptual image hash functions", 2010, against 0 instead of the median: on 250 images, of
photographs, blood cells and chess boards, brightness, gamma and a trim of 3 % changed fewer bits so). Hashes
that differ in up to 7 bits are found by multi-index hashing (Norouzi, Punjani and Fleet, 2012,
https://arxiv.org/abs/1307.2982): of four 16-bit parts, one then differs in at most one bit. What the hash
calls alike is compared on the thumbnails.
"""

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import cv2
import numpy as np

SIDE = 16  # of the grey image whose frequencies are taken
PARTS = 4
PART_BITS = 16
MOST_BITS = 7  # 2 * PARTS - 1: two bits in each part are one too many
BLOCK = 1 << 14  # pairs compared at a time: 64 MB of thumbnails as floats
FLAT = 2.0  # grey levels of deviation below which an image shows nothing to compare
SAME_IMAGE = 0.5  # largest difference of a thumbnail's pixels, in standard deviations; see `same_image`
DETAIL, SAME_DETAIL = 96, 0.6  # side of a larger thumbnail, and the difference allowed there
SAME_SCENE = 0.95  # least correlation of the thumbnails
SIDES: tuple[Literal["left"], Literal["right"]] = ("left", "right")
BITS_OF_BYTE = np.array([byte.bit_count() for byte in range(256)], np.uint8)


class Fingerprints(NamedTuple):
    """What images are compared by.

    thumbnails  uint8 [N, S, S], grey, S a multiple of 16
    hashes      uint64 [N]
    cells       float32 [N, 64], the thumbnails without brightness and contrast, in 8 x 8 cells
    """

    thumbnails: np.ndarray
    hashes: np.ndarray
    cells: np.ndarray


# (fingerprints, their rows [K], others, their rows [K]) -> which pairs are alike, bool [K]
Alike = Callable[[Fingerprints, np.ndarray, Fingerprints, np.ndarray], np.ndarray]


def fingerprints(thumbnails: np.ndarray) -> Fingerprints:
    """Prepare grey thumbnails uint8 [N, S, S], S a multiple of 16, for comparing."""
    cells = _means(thumbnails, 8).reshape(-1, 64)
    mean, deviation = (values[:, None] for values in _contrast(thumbnails))
    return Fingerprints(thumbnails, perceptual_hashes(thumbnails), (cells - mean) / deviation)


def same_image(one: Fingerprints, rows: np.ndarray, other: Fingerprints, found: np.ndarray) -> np.ndarray:
    """Which pairs are one image, saved again: brightness and contrast taken out, no pixel differs much.

    JPEG quality 20, half the size, noise and blur stay below 0.5 (98 % of 180 images); of chess boards
    before a fixed camera, one piece moved is above. No mean of pixels differs by more than one of them does,
    so most pairs are dismissed by their cells.
    """
    alike = np.abs(one.cells[rows] - other.cells[found]).max(axis=1) <= SAME_IMAGE
    pair = _standard(one.thumbnails[rows[alike]]), _standard(other.thumbnails[found[alike]])
    alike[alike] = np.abs(pair[0] - pair[1]).max(axis=(1, 2)) <= SAME_IMAGE
    return alike


def same_scene(one: Fingerprints, rows: np.ndarray, other: Fingerprints, found: np.ndarray) -> np.ndarray:
    """Which pairs show one scene, perhaps with something moved in it: their thumbnails correlate."""
    pair = _standard(one.thumbnails[rows]), _standard(other.thumbnails[found])
    return (pair[0] * pair[1]).mean(axis=(1, 2)) >= SAME_SCENE


def same_in_detail(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two images uint8 [H, W, 3] are one, saved again, perhaps mirrored: compared at 96 x 96.

    A chess piece exchanged for another of its colour differs by 0.8 or more there, a label that was forgotten
    on a copy by 0.1; JPEG quality 20 and half the size stay below 0.6 (90 % of 120 images).
    """
    size = (DETAIL, DETAIL)
    small = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (one, other, other[:, ::-1])]
    grey = _standard(np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in small]))
    return bool(np.abs(grey[0] - grey[1:]).max(axis=(1, 2)).min() <= SAME_DETAIL)


def perceptual_hashes(thumbnails: np.ndarray) -> np.ndarray:
    """The hashes uint64 [N] of grey thumbnails uint8 [N, S, S], S a multiple of 16."""
    step = np.arange(SIDE)
    cosines = np.cos(np.pi / (2 * SIDE) * (2 * step + 1) * step[:, None]).astype(np.float32)
    rows, columns = _lowest_frequencies(PARTS * PART_BITS)
    signs = (cosines @ _means(thumbnails, SIDE) @ cosines.T)[:, rows, columns] > 0
    return np.ascontiguousarray(np.packbits(signs, axis=1)).view(np.uint64).reshape(-1)


def mirror_fingerprints(prints: Fingerprints) -> Fingerprints:
    """The fingerprints of the same images, left and right exchanged."""
    return fingerprints(prints.thumbnails[:, :, ::-1])


def find_copies(
    of: Fingerprints, among: Fingerprints, alike: Alike, *, only_earlier: bool = False
) -> np.ndarray:
    """For each image of `of` one of `among` that is `alike`: int64 [N], -1 for none.

    only_earlier  both are the same images: look only at those before each, so that of a group all but the
        first have a partner

    Exact: whatever is within 7 bits and `alike` is found. The first found is taken, not the most alike.
    """
    partner = np.full(len(of.hashes), -1, np.int64)
    is_open = _contrast(of.thumbnails)[1] > FLAT
    for part in range(PARTS):
        table = _part(among.hashes, part)
        order = np.argsort(table, kind="stable")
        for flip in (0, *(1 << bit for bit in range(PART_BITS))):
            asking = np.flatnonzero(is_open)
            keys = _part(of.hashes, part)[asking] ^ np.uint16(flip)
            first, last = (np.searchsorted(table[order], keys, side=side) for side in SIDES)
            for rows, columns in _candidates(asking, first, last, is_open):
                found = order[columns]
                near = _differing_bits(of.hashes[rows], among.hashes[found]) <= MOST_BITS
                near &= (found < rows) | (not only_earlier)
                rows, found = rows[near], found[near]
                match = alike(of, rows, among, found)
                partner[rows[match]] = found[match]
                is_open[rows[match]] = False
    return partner


def _candidates(
    asking: np.ndarray, first: np.ndarray, last: np.ndarray, is_open: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs (who asks, place in the order), blockwise; who has found a partner meanwhile asks no more.

    The share of each grows from round to round: of 10,000 frames of one camera all are alike, and the first
    few of them are enough.
    """
    share = 1
    while len(asking):
        for start in range(0, len(asking), max(1, BLOCK // share)):
            block = slice(start, start + max(1, BLOCK // share))
            counts = np.clip(last[block] - first[block], 0, share)
            ends = np.cumsum(counts)
            within = np.arange(counts.sum()) - np.repeat(ends - counts, counts)
            yield np.repeat(asking[block], counts), np.repeat(first[block], counts) + within
        first = first + share
        going = is_open[asking] & (first < last)
        asking, first, last = asking[going], first[going], last[going]
        share = min(4 * share, BLOCK)


def _lowest_frequencies(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the `number` lowest frequencies, without the mean."""
    rows, columns = np.mgrid[:SIDE, :SIDE].reshape(2, -1)
    order = np.lexsort((rows, rows + columns))[1 : number + 1]
    return rows[order], columns[order]


def _differing_bits(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How many bits of the uint64 [K] differ; numpy before 2.0 cannot count bits: int64 [K]."""
    return BITS_OF_BYTE[(one ^ other).view(np.uint8).reshape(-1, 8)].sum(axis=1, dtype=np.int64)


def _part(hashes: np.ndarray, part: int) -> np.ndarray:
    return hashes.view(np.uint16).reshape(-1, PARTS)[:, part]


def _means(thumbnails: np.ndarray, side: int) -> np.ndarray:
    """The thumbnails [N, S, S] in side x side cells, the mean of each: float32 [N, side, side]."""
    number, size, _ = thumbnails.shape
    cells = thumbnails.reshape(number, side, size // side, side, size // side)
    return cells.mean(axis=(2, 4), dtype=np.float32)


def _contrast(thumbnails: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each, float32 [N]."""
    mean = thumbnails.mean(axis=(1, 2), dtype=np.float64)
    squares = np.einsum("nij,nij->n", thumbnails, thumbnails, dtype=np.float64)  # .std() makes floats of all
    variance = squares / (thumbnails.shape[1] * thumbnails.shape[2]) - mean**2
    return mean.astype(np.float32), np.sqrt(np.maximum(variance, 1e-12)).astype(np.float32)


def _standard(thumbnails: np.ndarray) -> np.ndarray:
    """Without brightness and contrast: mean 0 and deviation 1 of each, float32 [K, S, S]."""
    mean, deviation = (values[:, None, None] for values in _contrast(thumbnails))
    return (thumbnails - mean) / deviation
