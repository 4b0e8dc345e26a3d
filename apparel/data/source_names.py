"""Names of augmented copies: the source photo that Roboflow, Augmentor and the like leave in the names they write."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from apparel.utils.names import folded

EXTENSIONS = "jpe?g|png|bmp|webp|gif|tiff?"

PATTERNS = (
    # Roboflow: IMG_1_jpg.rf.0123456789abcdef0123456789abcdef.jpg; newer exports have 20 letters and digits.
    re.compile(rf"(?P<stem>.+)[_.-](?:{EXTENSIONS})\.rf\.[0-9a-z]{{16,40}}", re.IGNORECASE),
    # Augmentor: photos_original_IMG_1.jpg_01234567-89ab-cdef-0123-456789abcdef.jpg
    re.compile(
        rf".*_original_(?P<stem>.+)\.(?:{EXTENSIONS})_[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}", re.I
    ),
    # Scripts that append what they did: IMG_1_aug_2, IMG_1_hflip, IMG_1-rot90. (Without degrees, `rot` is German red.)
    re.compile(
        r"(?P<stem>.+)[_-](?:(?:aug(?:mented)?|[hv]?flip(?:ped)?|mirrored|rotated)[_-]?\d{0,3}|rot(?:ate)?[_-]?[1-9]\d{1,2})",
        re.IGNORECASE,
    ),
    # Windows and macOS: IMG_1 - Copy (2), IMG_1 copy.
    re.compile(r"(?P<stem>.+?)(?: - |[ _-])copy(?: ?\(?\d{1,3}\)?)?", re.IGNORECASE),
)
"""Stems of names of copies. Numbers alone, as in `IMG_001`, `shop (2)` and names of video frames, say nothing: they
count photos. Neither do words that sell garments, such as `crop`, `grey`, `light` or `dark`."""

TRUSTED_COPIES = 4
"""Photos of one source, at most, that are believed by their names alone. Larger groups may share a name that says
nothing, such as Roboflow's for photos that were uploaded as `image.jpg`."""

MIN_CONFIRMED = 0.2
"""Share of the photos of a larger group that must look like another one of it. Strong augmentation hides some copies;
among photos that share a meaningless name, few are copies."""


def source_stem(name: str) -> str | None:
    """Returns the folded stem of the source photo's name if `name` is that of an augmented copy."""
    stem = Path(name).stem
    for pattern in PATTERNS:
        if match := pattern.fullmatch(stem):
            return folded(match["stem"])
    return None


def find_siblings(names: Iterable[str], alike: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    """Returns pairs of photos that are copies of one source by their names: each with the first of its group.

    Args:
        names: the photos.
        alike: pairs of them that look alike.
    """
    names = sorted(names)
    groups = defaultdict(list)
    for name in names:
        if stem := source_stem(name):
            groups[stem].append(name)
    for name in names:  # the source itself
        if source_stem(name) is None and folded(Path(name).stem) in groups:
            groups[folded(Path(name).stem)].append(name)
    confirmed = _confirmed(groups, alike)
    return [
        (group[0], name)
        for stem, group in ((stem, sorted(group)) for stem, group in groups.items())
        if len(group) <= TRUSTED_COPIES or len(confirmed[stem]) >= MIN_CONFIRMED * len(group)
        for name in group[1:]
    ]


def _confirmed(groups: Mapping[str, list[str]], alike: Collection[tuple[str, str]]) -> dict[str, set[str]]:
    """The photos of each group, by its stem, that look like another one of it."""
    stem_of = {name: stem for stem, group in groups.items() for name in group}
    confirmed: dict[str, set[str]] = defaultdict(set)
    for pair in alike:
        one, other = map(stem_of.get, pair)
        if one is not None and one == other:
            confirmed[one].update(pair)
    return confirmed
