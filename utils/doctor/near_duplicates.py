"""Near-duplicates: images that differ only in how they were encoded, found without comparing every pair.

The 64-bit hash of an image consists of the signs of its lowest frequencies (pHash: Zauner, "Implementation
and benchmarking of perceptual image hash functions", 2010; thresholded at 0 instead of the median, because
brightness, gamma and a crop of 3 % then changed fewer bits on 250 images of photographs, blood cells and
chess boards). Hashes that differ in up to 7 bits are found by multi-index hashing (Norouzi, Punjani and
Fleet, 2012, https://arxiv.org/abs/1307.2982): at least one of their four 16-bit parts then differs in at most
one bit. Images with similar hashes are compared by their thumbnails.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import cv2
import numpy as np

from utils.data.types import Image

HASH_SIDE = 16  # side of the grey image whose frequencies are computed
HASH_PARTS = 4
PART_BITS = 16
MAX_DIFFERING_BITS = 7  # 2 * HASH_PARTS - 1: with one more, two bits could differ in every part
PAIRS_PER_BLOCK = 1 << 14  # compared at once: 64 MB of thumbnails as floats
FLAT = 2.0  # minimum standard deviation, in grey levels, of an image with content to compare
SAME_IMAGE = 0.5  # maximum pixel difference of thumbnails, in standard deviations; see `same_image`
DETAIL, SAME_DETAIL = 96, 0.6  # side of a larger thumbnail, and maximum pixel difference there
SAME_SCENE = 0.95  # minimum correlation of the thumbnails
BITS_OF_BYTE = np.array([byte.bit_count() for byte in range(256)], np.uint8)


class Fingerprints(NamedTuple):
    """The features of N images by which they are compared.

    thumbnails  uint8 [N, S, S], grey, S a multiple of 16
    hashes      uint64 [N], perceptual hashes
    cells       float32 [N, 64], means of 8 x 8 cells, with brightness and contrast normalised
    """

    thumbnails: np.ndarray
    hashes: np.ndarray
    cells: np.ndarray


# (fingerprints, rows in them [K], other fingerprints, rows in them [K]) -> which pairs match, bool [K]
Alike = Callable[[Fingerprints, np.ndarray, Fingerprints, np.ndarray], np.ndarray]


def fingerprints(thumbnails: np.ndarray) -> Fingerprints:
    """Compute the fingerprints of grey thumbnails uint8 [N, S, S], S a multiple of 16."""
    cells = _means(thumbnails, 8).reshape(-1, 64)
    mean, deviation = (values[:, None] for values in _contrast(thumbnails))
    return Fingerprints(thumbnails, perceptual_hashes(thumbnails), (cells - mean) / deviation)


def same_image(one: Fingerprints, rows: np.ndarray, other: Fingerprints, found: np.ndarray) -> np.ndarray:
    """Return which pairs are near-duplicates: with brightness and contrast normalised, no pixel differs much.

    JPEG quality 20, half the size, noise and blur stay below 0.5 (98 % of 180 images); one moved piece on a
    chess board before a fixed camera is above. A mean differs no more than the most different pixel, so the
    cell means alone rule out most pairs.
    """
    alike = np.abs(one.cells[rows] - other.cells[found]).max(axis=1) <= SAME_IMAGE
    pair = _normalised(one.thumbnails[rows[alike]]), _normalised(other.thumbnails[found[alike]])
    alike[alike] = np.abs(pair[0] - pair[1]).max(axis=(1, 2)) <= SAME_IMAGE
    return alike


def same_scene(one: Fingerprints, rows: np.ndarray, other: Fingerprints, found: np.ndarray) -> np.ndarray:
    """Return which pairs show the same scene, perhaps with something moved: their thumbnails correlate."""
    pair = _normalised(one.thumbnails[rows]), _normalised(other.thumbnails[found])
    return (pair[0] * pair[1]).mean(axis=(1, 2)) >= SAME_SCENE


def same_in_detail(one: Image, other: Image) -> bool:
    """Return whether two images are near-duplicates, perhaps mirrored, compared at 96 x 96 pixels.

    At this size, a chess piece replaced by another of the same colour differs by 0.8 or more, a copy with a
    missing label by 0.1; JPEG quality 20 and half the size stay below 0.6 (90 % of 120 images).
    """
    size = (DETAIL, DETAIL)
    small = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (one, other, other[:, ::-1])]
    grey = _normalised(np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in small]))
    return bool(np.abs(grey[0] - grey[1:]).max(axis=(1, 2)).min() <= SAME_DETAIL)


def perceptual_hashes(thumbnails: np.ndarray) -> np.ndarray:
    """Compute the hashes uint64 [N] of grey thumbnails uint8 [N, S, S], S a multiple of 16."""
    step = np.arange(HASH_SIDE)
    cosines = np.cos(np.pi / (2 * HASH_SIDE) * (2 * step + 1) * step[:, None]).astype(np.float32)
    rows, columns = _lowest_frequencies(HASH_PARTS * PART_BITS)
    signs = (cosines @ _means(thumbnails, HASH_SIDE) @ cosines.T)[:, rows, columns] > 0
    return np.ascontiguousarray(np.packbits(signs, axis=1)).view(np.uint64).reshape(-1)


def mirror_fingerprints(prints: Fingerprints) -> Fingerprints:
    """Return the fingerprints of the same images, mirrored left to right."""
    return fingerprints(prints.thumbnails[:, :, ::-1])


def find_copies(
    of: Fingerprints, among: Fingerprints, alike: Alike, *, only_earlier: bool = False
) -> np.ndarray:
    """Find for each image of `of` an image of `among` that is `alike`: int64 [N], -1 for none.

    only_earlier  `of` and `among` are the same images: search only before each image, so that all but the
        first of a group get a partner

    The search is exact: any image within 7 bits and `alike` is found. Returns the first match, not the most
    similar one.
    """
    partner = np.full(len(of.hashes), -1, np.int64)
    is_open = _contrast(of.thumbnails)[1] > FLAT
    for part in range(HASH_PARTS):
        table = _part(among.hashes, part)
        order = np.argsort(table, kind="stable")
        for flip in (0, *(1 << bit for bit in range(PART_BITS))):
            searching = np.flatnonzero(is_open)
            keys = _part(of.hashes, part)[searching] ^ np.uint16(flip)
            first = np.searchsorted(table[order], keys, side="left")
            last = np.searchsorted(table[order], keys, side="right")
            for rows, columns in _candidates(searching, first, last, is_open):
                found = order[columns]
                near = _differing_bits(of.hashes[rows], among.hashes[found]) <= MAX_DIFFERING_BITS
                near &= (found < rows) | (not only_earlier)
                rows, found = rows[near], found[near]
                match = alike(of, rows, among, found)
                partner[rows[match]] = found[match]
                is_open[rows[match]] = False
    return partner


def _candidates(
    searching: np.ndarray, first: np.ndarray, last: np.ndarray, is_open: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield pairs (image, position in `order`), in blocks; images that have found a partner drop out.

    The number of pairs per image grows from round to round: 10,000 frames of one camera are all alike, and
    comparing with the first few is enough.
    """
    share = 1
    while len(searching):
        for start in range(0, len(searching), max(1, PAIRS_PER_BLOCK // share)):
            block = slice(start, start + max(1, PAIRS_PER_BLOCK // share))
            counts = np.clip(last[block] - first[block], 0, share)
            ends = np.cumsum(counts)
            within = np.arange(counts.sum()) - np.repeat(ends - counts, counts)
            yield np.repeat(searching[block], counts), np.repeat(first[block], counts) + within
        first = first + share
        unfinished = is_open[searching] & (first < last)
        searching, first, last = searching[unfinished], first[unfinished], last[unfinished]
        share = min(4 * share, PAIRS_PER_BLOCK)


def _lowest_frequencies(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and columns of the `number` lowest frequencies, without the mean."""
    rows, columns = np.mgrid[:HASH_SIDE, :HASH_SIDE].reshape(2, -1)
    order = np.lexsort((rows, rows + columns))[1 : number + 1]
    return rows[order], columns[order]


def _differing_bits(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Count the differing bits of two uint64 [K]: int64 [K]. NumPy before 2.0 has no bit count."""
    return BITS_OF_BYTE[(one ^ other).view(np.uint8).reshape(-1, 8)].sum(axis=1, dtype=np.int64)


def _part(hashes: np.ndarray, part: int) -> np.ndarray:
    return hashes.view(np.uint16).reshape(-1, HASH_PARTS)[:, part]


def _means(thumbnails: np.ndarray, side: int) -> np.ndarray:
    """Return the means of side x side cells of the thumbnails [N, S, S]: float32 [N, side, side]."""
    number, size, _ = thumbnails.shape
    cells = thumbnails.reshape(number, side, size // side, side, size // side)
    return cells.mean(axis=(2, 4), dtype=np.float32)


def _contrast(thumbnails: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and standard deviation of each thumbnail, both float32 [N]."""
    mean = thumbnails.mean(axis=(1, 2), dtype=np.float64)
    squares = np.einsum(
        "nij,nij->n", thumbnails, thumbnails, dtype=np.float64
    )  # .std() would convert all thumbnails to float
    variance = squares / (thumbnails.shape[1] * thumbnails.shape[2]) - mean**2
    return mean.astype(np.float32), np.sqrt(np.maximum(variance, 1e-12)).astype(np.float32)


def _normalised(thumbnails: np.ndarray) -> np.ndarray:
    """Normalise brightness and contrast: mean 0 and standard deviation 1, float32 [K, S, S]."""
    mean, deviation = (values[:, None, None] for values in _contrast(thumbnails))
    return (thumbnails - mean) / deviation
