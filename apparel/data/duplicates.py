"""Exact and near duplicates among photos, by four kinds of evidence.

- pHash at 256 bits (`imagehash`): the signs of the 16 x 16 lowest frequencies of the grey photo, relative to their
  median. It finds other sizes, compressions and brightnesses, banners and very slight crops. Of the hashes in imagehash
  it separated copies from look-alikes best, on 2,090 product photos: coarser hashes are equal for different garments on
  the same white background. Photos of one garment in two colours count as near duplicates.
- Keypoints and an alignment that is compared pixel by pixel: mirrored, turned, cropped and padded copies.
- Names that augmentation tools write.
- The SHA-256 of the files.

What each finds, and how often it is wrong: `python -m benchmarks duplicates`, docs/duplicates.md.
"""

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd

from apparel import images
from apparel.data import alignment, candidates, keypoints, source_names
from apparel.data.keypoints import Keypoints, KeypointsFile, StoredKeypoints
from apparel.errors import UserError
from apparel.utils import beam

HASH_SIZE = 16
"""Frequencies across and down; a hash has `HASH_SIZE ** 2` bits."""

MAX_DISTANCE = 64
"""Largest Hamming distance of near duplicates, in bits of 256. Measured: copies that are halved or quartered, of JPEG
quality 10, 20% brighter, or cropped or padded by 2% at each edge differ in up to 58 bits; photos of different garments
in 70 and more, in two million pairs."""

MIN_DEGREES = 3.0
"""Angle from which an aligned copy counts as turned."""

MAX_CROPPED = 0.94
"""Share of a photo that its copy shows, below which the copy counts as cropped or padded."""

KINDS = ("same file", "same picture", "mirrored", "turned", "cropped or padded", "by name")
"""Kinds of near duplicates, the closest first; a pair has the first that fits. `same picture`: another size,
compression or brightness. Mirrored ones may be turned and cropped, too, and turned ones cropped."""

PAIR_COLUMNS = ["first", "second", "kind"]

Item, Result = TypeVar("Item"), TypeVar("Result")


class PhotoHash(NamedTuple):
    """A photo's perceptual hash, 256 bits, the SHA-256 of its file, and where its keypoints are."""

    bits: bytes
    digest: bytes
    keypoints: StoredKeypoints


def group_duplicates(names: Collection[str], pairs: pd.DataFrame) -> dict[str, str]:
    """Returns the group of each photo: the name of the group's first photo, its own if it has no duplicate.

    Args:
        names: the photos.
        pairs: from `find_duplicates`; duplicates of duplicates are in one group.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names = sorted(names)
    index = pd.Index(names)
    edges = index.get_indexer(pairs["first"]), index.get_indexer(pairs["second"])
    graph = coo_array((np.ones(len(pairs)), edges), shape=(len(names), len(names)))
    _, components = connected_components(graph, directed=False)
    _, firsts = np.unique(components, return_index=True)
    return {name: names[firsts[component]] for name, component in zip(names, components, strict=True)}


def find_duplicates(folder: Path, names: Sequence[str]) -> pd.DataFrame:
    """Returns the pairs of near duplicates, as `compare_hashes`; those that cannot be decoded are compared by name."""
    return compare_hashes(hash_photos(folder, names)[0], names)


def hash_photos(folder: Path, names: Sequence[str]) -> tuple[dict[str, PhotoHash], dict[str, str]]:
    """Returns the hashes of photos, and why the others cannot be decoded; both by name, sorted."""
    from tqdm import tqdm

    names = sorted(names)
    file, what = KeypointsFile(), "comparing photos"
    if beam.is_asked():
        results = beam.map_files(partial(_hash_photo, folder), folder, names, what)
    else:
        work = _in_threads(partial(_hash_photo, folder), names)
        results = tqdm(work, total=len(names), desc=what, unit="", delay=1, leave=False)
    hashes, unreadable = {}, {}
    for name, result in zip(names, results, strict=True):
        if isinstance(result, str):
            unreadable[name] = result
        else:
            bits, digest, found = result
            hashes[name] = PhotoHash(bits, digest, file.add(found))
    beam.forget(what)
    return hashes, unreadable


def compare_hashes(hashes: Mapping[str, PhotoHash], names: Sequence[str]) -> pd.DataFrame:
    """Returns all pairs of near duplicates.

    Args:
        hashes: of the photos that can be decoded, by name.
        names: all photos.

    Returns:
        A table with `PAIR_COLUMNS`, sorted by kind, then by name: two names, the first before the second, and one of
        `KINDS`.
    """
    photos = sorted(hashes)
    kinds = _pairs_by_keypoints([hashes[name].keypoints for name in photos])
    for one, other in near_pairs([hashes[name].bits for name in photos]):
        if hashes[photos[one]].digest == hashes[photos[other]].digest:
            kinds[one, other] = "same file"
        else:
            kinds.setdefault((one, other), "same picture")
    alike = {(photos[one], photos[other]): kind for (one, other), kind in kinds.items()}
    siblings = source_names.find_siblings(names, alike)
    return _pair_table(dict.fromkeys(siblings, "by name") | alike)


def compare_folders(hashes: Mapping[str, PhotoHash], others: Mapping[str, PhotoHash]) -> pd.DataFrame:
    """Returns the pairs of near duplicates with one photo in each of two folders, both given by their hashes.

    Returns:
        A table as of `compare_hashes`, `first` of `hashes` and `second` of `others`.
    """
    keys = [(side, name) for side, folder in enumerate((hashes, others)) for name in sorted(folder)]
    photos = [(hashes, others)[side][name] for side, name in keys]
    sides = np.array([side for side, _ in keys])
    kinds = _pairs_by_keypoints([photo.keypoints for photo in photos], sides)
    for one, other in near_pairs([photo.bits for photo in photos]):
        if sides[one] != sides[other]:
            same = photos[one].digest == photos[other].digest
            kinds[one, other] = "same file" if same else kinds.get((one, other), "same picture")
    # A folder before the name tells the two of one name apart; names of copies are told by the last part.
    names = [f"{side}/{name}" for side, name in keys]
    alike = {(names[one], names[other]) for one, other in kinds}
    siblings = pd.DataFrame(source_names.find_siblings(names, alike), columns=PAIR_COLUMNS[:2])
    groups = group_duplicates({*siblings["first"], *siblings["second"]}, siblings)
    by_name = {
        (keys[number][1], keys[other][1]): "by name"
        for number, other in _across(groups, {name: number for number, name in enumerate(names)}, sides)
    }
    return _pair_table(by_name | {(keys[one][1], keys[other][1]): kind for (one, other), kind in kinds.items()})


def summary(pairs: pd.DataFrame) -> str:
    """Returns the number of photos, groups and pairs of each kind, in words."""
    if pairs.empty:
        return "none"
    groups = group_duplicates({*pairs["first"], *pairs["second"]}, pairs)
    return f"{len(groups)} photos in {len(set(groups.values()))} groups (pairs: {count_kinds(pairs)})"


def count_kinds(pairs: pd.DataFrame) -> str:
    """Returns how many pairs there are of each kind, such as `same file 2, mirrored 3`; the closest kind first."""
    counts = pairs["kind"].value_counts()
    return ", ".join(f"{kind} {counts[kind]}" for kind in KINDS if kind in counts.index)


def _hash_photo(folder: Path, name: str) -> tuple[bytes, bytes, Keypoints] | str:
    """What a `PhotoHash` has, or why the photo cannot be decoded."""
    import imagehash

    try:
        data = images.read_bytes(folder / name)
        photo = images.decode(data, folder / name)
    except UserError as error:
        return str(error)
    bits = np.packbits(imagehash.phash(photo, hash_size=HASH_SIZE).hash).tobytes()
    return bits, hashlib.sha256(data).digest(), keypoints.detect(photo)


def _pair_table(kinds: Mapping[tuple[str, str], str]) -> pd.DataFrame:
    rows = sorted(((*pair, kind) for pair, kind in kinds.items()), key=lambda row: (KINDS.index(row[2]), row))
    return pd.DataFrame(rows, columns=PAIR_COLUMNS, dtype="str")


def _across(groups: Mapping[str, str], numbers: Mapping[str, int], sides: np.ndarray) -> Iterator[tuple[int, int]]:
    """Pairs of photos of one group on different sides, by position."""
    members: dict[str, list[int]] = {}
    for name, group in groups.items():
        members.setdefault(group, []).append(numbers[name])
    for group in members.values():
        yield from ((one, other) for one in group for other in group if sides[one] < sides[other])


def _pairs_by_keypoints(
    photos: Sequence[StoredKeypoints], sides: np.ndarray | None = None
) -> dict[tuple[int, int], str]:
    """Returns the kind of each pair of photos, by position, of which one can be aligned with the other.

    Args:
        photos: their keypoints.
        sides: `(photos,)`, two numbers: only photos of different ones are aligned.
    """
    from tqdm import tqdm

    numbers = candidates.find_candidates(photos)
    if sides is not None:
        numbers = numbers[sides[numbers[:, 0]] != sides[numbers[:, 1]]]
    work = _in_threads(partial(_kind_of_copy, photos), numbers)
    kinds: dict[tuple[int, int], str] = {}
    for row, kind in zip(
        numbers, tqdm(work, total=len(numbers), desc="aligning photos", unit="", delay=1, leave=False), strict=True
    ):
        if kind:  # A symmetric garment also matches its mirror image: what is not mirrored comes first and wins.
            kinds.setdefault((int(row[0]), int(row[1])), kind)
    return kinds


def _kind_of_copy(photos: Sequence[StoredKeypoints], numbers: np.ndarray) -> str | None:
    candidate = candidates.Candidate(*numbers.tolist())
    one, other = photos[candidate.one].read(), photos[candidate.other].read()
    aligned = alignment.align(one, other.mirrored() if candidate.mirrored else other)
    if aligned is None:
        return None
    if candidate.mirrored:
        return "mirrored"
    if abs(aligned.degrees) > MIN_DEGREES:
        return "turned"
    return "cropped or padded" if min(aligned.covered) < MAX_CROPPED else "same picture"


def near_pairs(hashes: Sequence[bytes], block: int = 2048) -> list[tuple[int, int]]:
    """Returns pairs of hashes, by position, at most `MAX_DISTANCE` apart.

    All are compared, since no index does less without losing pairs: half the bits of two unrelated hashes differ, and a
    quarter may. Of 16 bands of 16 bits, one of a pair then differs in 4 bits at most; so does one of most unrelated
    pairs. And their distances to a third hash, by which a BK-tree goes, are much the same. 100,000 photos take seconds.

    Args:
        hashes: 256 bits each.
        block: hashes that are compared at once; a matrix of all distances would need memory for N x N numbers.
    """
    from tqdm import tqdm

    bits = np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, HASH_SIZE * HASH_SIZE // 8)
    pairs = []

    def signs(start: int) -> np.ndarray:
        return np.unpackbits(bits[start : start + block], axis=1).astype(np.float32) * 2 - 1

    starts = tqdm(range(0, len(hashes), block), desc="similar hashes", unit=" blocks", delay=1, leave=False)
    for start in starts:
        rows = signs(start)
        for other in range(start, len(hashes), block):
            # The dot product of two rows of -1 and 1 is the number of equal bits less the number of different ones.
            equal = rows @ signs(other).T
            near = np.flatnonzero(equal >= rows.shape[1] - 2 * MAX_DISTANCE)
            ones, others = np.divmod(near, equal.shape[1])
            pairs += [
                pair
                for pair in zip((ones + start).tolist(), (others + other).tolist(), strict=True)
                if pair[0] < pair[1]
            ]
    return pairs


def _in_threads(work: Callable[[Item], Result], items: Sequence[Item], at_once: int = 1000) -> Iterator[Result]:
    """The results of `work`, in order, by a thread for each core; few results wait in memory for those before them."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # Pillow and OpenCV work outside Python's global lock
        for start in range(0, len(items), at_once):
            yield from threads.map(work, items[start : start + at_once])
