"""Pairs of photos that may show the same picture: those whose SIFT descriptors are similar as a whole.

A photo is summarised as one vector, the sum of its descriptors' random Fourier features (A. Rahimi, B. Recht, NIPS
2007; L. Bo, C. Sminchisescu, "Efficient Match Kernel", NIPS 2009): the product of two such vectors grows with the
number of descriptors that the photos share. Compared with visual words, nothing has to be learned from the photos
first, so that a further photo does not change what is found among the others.
"""

import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from apparel.data.keypoints import MIRRORED, StoredKeypoints, root_sift

DIMENSIONS = 1024
"""Random Fourier features; the noise of a product of two summaries is about `DIMENSIONS ** -0.5`, 0.03."""

SHARPNESS = 14.0
"""Of the Gaussian kernel exp(-SHARPNESS d²) of two descriptors' distance d (0 to 1.4): the same corner in two copies
has d of about 0.3, others 0.8 and more. 4 and 8 left copies and other photos closer together."""

MIN_SIMILARITY = 0.17
"""Product of two summaries, -1 to 1, from which photos are compared more closely. Measured on product photos: half of
all pairs have less than 0.05, 99% less than 0.14; 19 of 20 copies that are cropped by 10% at each edge 0.28 or more."""

MAX_CANDIDATES = 20
"""Photos that each photo is compared with more closely, at most, so that the time grows little faster than the number
of photos."""

BLOCK = 2048
"""Photos in a block of summaries: two blocks and their products take 50 MB."""


class Candidate(NamedTuple):
    """Two photos, by their position, that may show the same picture; `mirrored`: one shows it left to right."""

    one: int
    other: int
    mirrored: bool


def find_candidates(photos: Sequence[StoredKeypoints], block: int = BLOCK) -> np.ndarray:
    """Returns the pairs of photos whose descriptors are similar.

    Every summary is multiplied with every other one, and its mirror image. No index can do less without losing pairs:
    the summaries of most photos are at nearly the same distance, so that none is nearer to one corner of the space.

    Args:
        photos: their keypoints.
        block: photos in a block; a matrix of all products would need memory for N x N numbers.

    Returns:
        `(M, 3)` int64, sorted, each row once: the numbers of a `Candidate`, the first photo before the second.
    """
    from tqdm import tqdm

    nearest = {False: _Nearest(len(photos)), True: _Nearest(len(photos))}
    starts = range(0, len(photos), block)
    with (
        tempfile.TemporaryFile() as plain,
        tempfile.TemporaryFile() as mirrored,
        tqdm(total=len(photos), desc="similar photos", unit="", delay=1, leave=False) as progress,
    ):
        for summaries in _summaries(photos, block):
            plain.write(summaries[0])
            mirrored.write(summaries[1])
        for start in starts:
            rows = _read_block(plain, start, block)
            for other in starts:
                nearest[True].add(rows @ _read_block(mirrored, other, block).T, start, other)
                if other >= start:  # the product of two plain summaries is the same either way
                    products = rows @ _read_block(plain, other, block).T
                    nearest[False].add(products, start, other)
                    if other > start:
                        nearest[False].add(products, start, other, swapped=True)
            progress.update(len(rows))
    keys = [_keys(*found.pairs(), len(photos), flag) for flag, found in nearest.items()]
    pairs, flags = np.divmod(np.unique(np.concatenate(keys)), 2)
    return np.column_stack([*np.divmod(pairs, max(len(photos), 1)), flags])


class _Nearest:
    """The photos whose products with a photo suffice, of each photo the highest `MAX_CANDIDATES` besides itself."""

    def __init__(self, count: int) -> None:
        self._least = np.full(count, MIN_SIMILARITY, np.float32)
        self._highest = np.full((count, MAX_CANDIDATES + 1), -np.inf, np.float32)
        none = np.zeros(0, np.int32)
        self._found = [(none, none, np.zeros(0, np.float32))]
        self._worth_pruning = 1_000_000

    def add(self, products: np.ndarray, first_row: int, first_column: int, swapped: bool = False) -> None:
        """Takes the products of two blocks of photos into account, for its rows, or for its columns if `swapped`."""
        if swapped:
            least = self._least[first_column : first_column + products.shape[1]]
            columns, rows = np.divmod(np.flatnonzero(products >= least), products.shape[1])
            values = products[columns, rows]
            order = np.argsort(rows, kind="stable")
            rows, columns, values = rows[order] + first_column, columns[order] + first_row, values[order]
        else:
            least = self._least[first_row : first_row + len(products), None]
            rows, columns = np.divmod(np.flatnonzero(products >= least), products.shape[1])
            values = products[rows, columns]
            rows, columns = rows + first_row, columns + first_column
        if len(rows):
            self._raise_least(rows, values)
            self._found.append((rows.astype(np.int32), columns.astype(np.int32), values))
            if sum(len(part[0]) for part in self._found) > self._worth_pruning:
                self._found = [self._prune()]
                self._worth_pruning = max(1_000_000, 2 * len(self._found[0][0]))

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Both photos of each pair, by position."""
        rows, columns, _ = self._prune()
        return rows, columns

    def _raise_least(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Raises the least product that suffices for each of `rows`, which are sorted, by further values."""
        photos, starts, counts = np.unique(rows, return_index=True, return_counts=True)
        table = np.full((len(photos), counts.max()), -np.inf, np.float32)
        table[np.repeat(np.arange(len(photos)), counts), np.arange(len(rows)) - np.repeat(starts, counts)] = values
        table = np.concatenate([self._highest[photos], table], axis=1)
        self._highest[photos] = np.partition(table, -MAX_CANDIDATES - 1, axis=1)[:, -MAX_CANDIDATES - 1 :]
        self._least[photos] = np.maximum(MIN_SIMILARITY, self._highest[photos].min(axis=1))

    def _prune(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows, columns, values = (np.concatenate(parts) for parts in zip(*self._found, strict=True))
        enough = values >= self._least[rows]
        return rows[enough], columns[enough], values[enough]


def _keys(one: np.ndarray, other: np.ndarray, count: int, mirrored: bool) -> np.ndarray:
    """A number for each pair, in the order of candidates: a table of them takes three times the memory to sort."""
    first, second = np.minimum(one, other).astype(np.int64), np.maximum(one, other)
    return ((first * count + second) * 2 + mirrored)[first != second]


def _read_block(file: "tempfile._TemporaryFileWrapper", start: int, count: int) -> np.ndarray:
    size = np.dtype(np.float32).itemsize * DIMENSIONS
    file.seek(start * size)
    return np.frombuffer(file.read(count * size), np.float32).reshape(-1, DIMENSIONS)


def _summaries(photos: Sequence[StoredKeypoints], block: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The summaries of the photos of each block, and those of their mirror images."""
    for start in range(0, len(photos), block):
        found = [photo.read().descriptors for photo in photos[start : start + block]]
        yield summarise(found), summarise([descriptors[:, MIRRORED] for descriptors in found])


def summarise(descriptors: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the summary of each photo's descriptors, `(photos, DIMENSIONS)`, of length 1; 0 without descriptors."""
    random = np.random.RandomState(0)
    directions = random.normal(0, np.sqrt(2 * SHARPNESS), (128, DIMENSIONS)).astype(np.float32)
    phases = random.uniform(0, 2 * np.pi, DIMENSIONS).astype(np.float32)
    summaries = [np.zeros((0, DIMENSIONS), np.float32)]
    for start in range(0, len(descriptors), 64):
        batch = descriptors[start : start + 64]
        features = np.cos(root_sift(np.concatenate(batch)) @ directions + phases)
        bounds = np.cumsum([0, *(len(part) for part in batch)])
        sums = np.array([features[low:high].sum(axis=0) for low, high in pairwise(bounds)])
        summaries.append(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9))
    return np.concatenate(summaries)
