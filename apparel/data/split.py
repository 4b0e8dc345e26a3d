"""Who is in train, val and test: by photo, stratified over several classes a photo, seeded; or pinned by lists.

The draw is iterative stratification (K. Sechidis, G. Tsoumakas, I. Vlahavas, "On the Stratification of Multi-Label
Data", ECML PKDD 2011): the rarest class is dealt out first, to the split that lacks it most. Photos without boxes are
a class of their own there.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pandas as pd

from apparel import params
from apparel.annotations.records import file_name, folded, unique
from apparel.errors import UserError, nearest, plain
from apparel.utils import csv_tables

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Pins:
    """The photos that lists pin to a side, None where there is no such list, and the names that found no photo."""

    train: frozenset[str] | None
    test: frozenset[str] | None
    missing: tuple[str, ...]


def pins(config: params.Split, folder: Path, names: Collection[str]) -> Pins:
    """Reads the lists that pin photos.

    Args:
        config: names the lists, relative to `folder`.
        folder: that of the data set's lists.
        names: the photos there are.

    Raises:
        UserError: a list lies outside the folder, is missing, not a list, or names no photo there is; or a photo is in
            both lists.
    """
    known = set(names)
    train, test = (
        None if name is None else read_list(_inside(folder, name, key), known)
        for key, name in (("split.train_list", config.train_list), ("split.test_list", config.test_list))
    )
    both = sorted((train or set()) & (test or set()))
    if both:
        raise UserError(f"{named(both)} in both split.train_list and split.test_list: a photo has one side")
    for name, listed in ((config.train_list, train), (config.test_list, test)):
        if listed is not None and not listed & known:
            some = named(sorted(listed))
            raise UserError(f"{folder / name} names {len(listed)} photos ({some}), none of which is there")
    missing = tuple(sorted(((train or set()) | (test or set())) - known))
    return Pins(*(None if listed is None else frozenset(listed & known) for listed in (train, test)), missing)


def read_list(path: Path, known: Collection[str]) -> set[str]:
    """Photo names from a CSV file with a column `filename`, or from a `.txt` file with one a line.

    A name that differs from that of one known photo only in case, in how accents are written, or in its ending, is
    taken for it.

    Raises:
        UserError: the file is missing, not such a list, or names nothing.
    """
    alike = unique(sorted(known), lambda name: folded(Path(name).stem)) | unique(sorted(known), folded)
    names = _listed(path) - {""}
    if not names:
        raise UserError(f"{path} names no photos")
    return {name if name in known else _first(alike, folded(name), folded(Path(name).stem)) or name for name in names}


def _first(found: Mapping[str, str], *keys: str) -> str | None:
    return next((found[key] for key in keys if key in found), None)


def _listed(path: Path) -> set[str]:
    if path.suffix.lower() != ".txt":
        return {file_name(name) for name in csv_tables.read(path, ["filename"])["filename"]}
    try:
        lines = re.split(r"[\r\n]+", path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"{path} not found") from None
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{path} is not a text file in UTF-8") from None
    return {file_name(line) for line in lines if line.strip()}


def assign(
    names: Sequence[str],
    labels: pd.DataFrame,
    classes: Sequence[str],
    config: params.Split,
    pinned: Pins,
    groups: Mapping[str, str] | None,
) -> dict[str, str]:
    """The split of each photo, by name, sorted; photos in neither of two lists are not in it.

    Args:
        names: the photos, with boxes or without.
        labels: their label table.
        classes: the classes that are stratified.
        config: seed and fractions.
        pinned: from `pins`.
        groups: from `duplicates.group`; photos of one group are drawn together. None draws each alone.

    Raises:
        UserError: a split would be empty, or train would have no box of a class.
    """
    groups = groups or {name: name for name in names}
    presence = _presence(names, labels, classes)
    rest = sorted(set(names) - (pinned.train or set()) - (pinned.test or set()))
    if pinned.test is not None:
        test = sorted(pinned.test)
    elif pinned.train is not None:
        test = rest
    else:
        test = _draw(rest, presence, groups, config.test_fraction, config.seed)
    training = sorted(pinned.train) if pinned.train is not None else sorted(set(rest) - set(test))
    val = _draw(training, presence, groups, config.val_fraction, config.seed)
    train = sorted(set(training) - set(val))
    _refuse_empty({"train": train, "val": val, "test": test}, presence, classes)
    sides = (("train", train), ("val", val), ("test", test))
    return dict(sorted((name, split) for split, members in sides for name in members))


def summary(labels: pd.DataFrame, splits: Mapping[str, str], classes: Sequence[str]) -> pd.DataFrame:
    """Boxes of each class in each split, a row a class: class, counts_train, counts_val, counts_test, total."""
    counts = pd.crosstab(labels["class"], labels["filename"].map(splits)).reindex(
        index=list(classes), columns=list(SPLITS), fill_value=0
    )
    table = counts.add_prefix("counts_").assign(total=counts.sum(axis=1))
    table.index.name, table.columns.name = "class", None
    return table.reset_index()


def notes(counts: pd.DataFrame, splits: Mapping[str, str], pinned: Pins, pairs: pd.DataFrame, known: int) -> list[str]:
    """What the user should know about a split, a line each.

    Args:
        counts: from `summary`.
        splits: from `assign`.
        pinned: from `pins`.
        pairs: near duplicates, from `duplicates.pairs`.
        known: photos in the data set.
    """
    lines = []
    if pinned.missing:
        lines.append(
            f"photos in the lists that are not in the data set: {len(pinned.missing)} ({named(pinned.missing)})"
        )
    if known > len(splits):
        lines.append(f"photos in neither list, left out: {known - len(splits)}")
    for split in SPLITS[1:]:
        without = counts.loc[counts[f"counts_{split}"] == 0, "class"]
        if len(without):
            lines.append(f"warning: {split} has no box of {', '.join(without)}; nothing is measured for it there")
    across = straddling(pairs, splits)
    if len(across):
        lines.append(f"pairs of near duplicates that straddle test and the training side: {len(across)}")
    return lines


def straddling(pairs: pd.DataFrame, splits: Mapping[str, str]) -> pd.DataFrame:
    """Those pairs of near duplicates of which one photo is in test and the other in train or val."""
    used = pairs[pairs["first"].isin(splits.keys()) & pairs["second"].isin(splits.keys())]
    return used[(used["first"].map(splits) == "test") != (used["second"].map(splits) == "test")]


def named(names: Iterable[str], shown: int = 3) -> str:
    """The first of the names, and how many more there are."""
    names = [plain(name) for name in names]
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")


def _inside(folder: Path, name: str, key: str) -> Path:
    """The list's path. Links are not followed to tell: DVC may keep the files of the folder as links to its cache."""
    parts = (*PurePosixPath(name).parts, *PureWindowsPath(name).parts)
    if ".." in parts or PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor:
        raise UserError(f"{key}: '{name}' leads out of {folder.as_posix()}; name a list in that folder")
    if not (folder / name).is_file():
        lists = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
        raise UserError(f"{key}: there is no list '{name}' in {folder.as_posix()}{nearest(name, lists)}")
    return folder / name


def _presence(names: Sequence[str], labels: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Photos by classes: whether the photo has a box of it; a last column for photos that have none."""
    found = pd.crosstab(labels["filename"], labels["class"]) > 0
    found = found.reindex(index=list(names), columns=list(classes), fill_value=False)
    return found.assign(**{"": ~found.any(axis=1)})


def _draw(
    names: Sequence[str], presence: pd.DataFrame, groups: Mapping[str, str], fraction: float, seed: int
) -> list[str]:
    """A stratified share of the photos, groups whole, sorted; none where there are too few groups to share.

    A group of more photos than the whole share is not drawn, as long as there are others. The number of groups may be
    a tenth off, for the sake of the classes.
    """
    from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit

    group = pd.Series([groups[name] for name in names], index=list(names), dtype="str")
    small = group[group.map(group.value_counts()) <= max(1, fraction * len(group))]
    if len(small) < len(group) and small.nunique() >= 2:
        fraction, group = fraction * len(group) / len(small), small
    found = presence.loc[group.index].groupby(group).any().sort_index()
    if len(found) < 2:
        return []
    share = max(1, min(len(found) - 1, round(fraction * len(found))))
    draw = MultilabelStratifiedShuffleSplit(n_splits=1, test_size=share, random_state=seed)
    classes = found.to_numpy(dtype=int)
    _, drawn = next(draw.split(np.zeros(len(found)), classes))
    drawn = _held_to(share, np.isin(np.arange(len(found)), drawn), classes, seed)
    return sorted(group.index[group.isin(found.index[drawn])])


def _held_to(share: int, drawn: np.ndarray, classes: np.ndarray, seed: int) -> np.ndarray:
    """Moves groups in or out until their number is `share`, or at most a tenth off.

    The library deals class by class, and so many small classes are rounded alike. Each time that group is moved after
    which the classes' numbers are nearest to their shares, by chi square.

    Args:
        share: how many groups are to be drawn.
        drawn: `(N,)` bool, whether a group is.
        classes: `(N, C)`, 1 where a group has a class.
        seed: decides between groups that are alike.
    """
    drawn = drawn.copy()
    wanted = np.maximum(classes.sum(axis=0) * share / len(classes), np.finfo(float).tiny)
    order = np.random.RandomState(seed).permutation(len(classes))
    while abs(surplus := drawn.sum() - share) > share // 10:
        change = -np.sign(surplus)
        lacking = wanted - classes[drawn].sum(axis=0)
        cost = classes @ ((1 - 2 * change * lacking) / wanted)
        movable = order[drawn[order] == (surplus > 0)]
        chosen = movable[np.argmin(cost[movable])]
        drawn[chosen] = not drawn[chosen]
    return drawn


def _refuse_empty(sides: Mapping[str, Sequence[str]], presence: pd.DataFrame, classes: Sequence[str]) -> None:
    sizes = ", ".join(f"{split} {len(members)}" for split, members in sides.items())
    for split, members in sides.items():
        if not members:
            raise UserError(f"{split} would have no photos ({sizes}); add photos, or change split.* in params.yaml")
    for name in classes:
        if not presence.loc[sides["train"], name].any():
            raise UserError(
                f"no photo in train has a box of '{name}' ({presence[name].sum()} of all photos have one); add photos, "
                f"another split.seed or split.train_list, or leave the class out of data.classes"
            )
