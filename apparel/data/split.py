"""Splits of photos into train, val and test: stratified by class and seeded, or pinned by published lists.

The draw is iterative stratification (K. Sechidis, G. Tsoumakas, I. Vlahavas, "On the Stratification of Multi-Label
Data", ECML PKDD 2011): photos of the rarest class are assigned first, to the split that lacks the class most. Photos
without boxes are stratified as a class of their own. Folds of a cross-validation are drawn by the same rule.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from apparel import params
from apparel.data import duplicates
from apparel.data.pinned_split import SPLITS, PinnedSplit, some_photos
from apparel.errors import UserError


def assign_photos(
    names: Sequence[str],
    labels: pd.DataFrame,
    classes: Sequence[str],
    config: params.Split,
    pinned: PinnedSplit,
    groups: Mapping[str, str] | None,
) -> dict[str, str]:
    """Returns the split of each photo by name, sorted; if train and test are pinned, photos in no list are left out.

    Args:
        names: the photos, with boxes or without.
        labels: their label table.
        classes: the classes to stratify by.
        config: seed and fractions.
        pinned: from `read_pinned_split`.
        groups: from `duplicates.group_duplicates`; photos of a group get the same split unless lists pin them apart.
            None draws each photo by itself.

    Raises:
        UserError: a split would be empty (says so if near duplicates that stay together are the reason), or train would
            have no box of a class.
    """
    groups = groups or {name: name for name in names}
    presence = _class_presence(names, labels, classes)
    rest = sorted(set(names) - (pinned.train or set()) - (pinned.val or set()) - (pinned.test or set()))
    if pinned.test is not None:
        test = sorted(pinned.test)
    elif pinned.train is not None:
        test = rest
    else:
        test = _draw_share(rest, presence, groups, config.test_fraction, config.seed)
    train_val = sorted(pinned.train) if pinned.train is not None else sorted(set(rest) - set(test))
    if pinned.val is not None:
        val = sorted(pinned.val)
    else:
        val = _draw_share(train_val, presence, groups, config.val_fraction, config.seed)
    photos = {"train": sorted(set(train_val) - set(val)), "val": val, "test": test}
    if config.fold:
        photos = _take_fold(photos, presence, groups, config)
    _check_splits(photos, presence, classes, groups, allow_no_test=bool(config.fold))
    return dict(sorted((name, split) for split, members in photos.items() for name in members))


def count_boxes(labels: pd.DataFrame, assigned: Mapping[str, str], classes: Sequence[str]) -> pd.DataFrame:
    """Counts boxes of each class in each split, one row a class: class, counts_train, counts_val, counts_test, total.

    Args:
        labels: the label table.
        assigned: from `assign_photos`.
        classes: in the order of the rows.
    """
    counts = pd.crosstab(labels["class"], labels["filename"].map(assigned)).reindex(
        index=list(classes), columns=list(SPLITS), fill_value=0
    )
    table = counts.add_prefix("counts_").assign(total=counts.sum(axis=1))
    table.index.name, table.columns.name = "class", None
    return table.reset_index()


def split_notes(
    counts: pd.DataFrame, assigned: Mapping[str, str], pinned: PinnedSplit, pairs: pd.DataFrame, photo_count: int
) -> list[str]:
    """Returns what a user should know about a split, one line each.

    Args:
        counts: from `count_boxes`.
        assigned: from `assign_photos`.
        pinned: from `read_pinned_split`.
        pairs: from `duplicates.find_duplicates`.
        photo_count: photos in the data set.
    """
    lines = []
    if pinned.missing:
        lines.append(
            f"photos in the lists that are not in the data set: {len(pinned.missing)} ({some_photos(pinned.missing)})"
        )
    if photo_count > len(assigned):
        lines.append(f"photos in none of the lists, left out: {photo_count - len(assigned)}")
    for split in SPLITS[1:]:
        absent = counts.loc[counts[f"counts_{split}"] == 0, "class"]
        if len(absent) and split in assigned.values():
            lines.append(f"warning: {split} has no box of {', '.join(absent)}; nothing is measured for it there")
    return lines + _duplicate_notes(pairs, assigned)


def straddling_pairs(pairs: pd.DataFrame, assigned: Mapping[str, str], split: str = "test") -> pd.DataFrame:
    """Returns the pairs of near duplicates with one photo in test and the other in train or val.

    Args:
        pairs: from `duplicates.find_duplicates`.
        assigned: from `assign_photos`.
        split: "val" returns those with one photo in val and the other in train instead.
    """
    splits = pd.DataFrame({side: pairs[side].map(assigned) for side in ("first", "second")})
    later = SPLITS[SPLITS.index(split) + 1 :]
    used = splits.notna().all(axis=1) & ~splits.isin(later).any(axis=1)
    return pairs[used & ((splits["first"] == split) != (splits["second"] == split))]


def _duplicate_notes(pairs: pd.DataFrame, assigned: Mapping[str, str]) -> list[str]:
    """Returns how many near duplicates there are, of which kinds, and which of them are in different splits."""
    used = pairs[pairs["first"].isin(assigned.keys()) & pairs["second"].isin(assigned.keys())]
    if used.empty:
        return []
    lines = [f"near duplicates: {duplicates.summary(used)}"]
    for split, others in (("test", "train or val"), ("val", "train")):
        straddling = straddling_pairs(used, assigned, split)
        if len(straddling):
            some = some_photos(f"{one} and {other}" for one, other in straddling[["first", "second"]].to_numpy())
            lines.append(
                f"warning: pairs of near duplicates with one photo in {split} and one in {others}: {len(straddling)} "
                f"({duplicates.count_kinds(straddling)}), {some}"
            )
    return lines


def _class_presence(names: Sequence[str], labels: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """A row a photo and a column a class: whether the photo has a box of it; a last column for photos without boxes."""
    presence = pd.crosstab(labels["filename"], labels["class"]) > 0
    presence = presence.reindex(index=list(names), columns=list(classes), fill_value=False)
    return presence.assign(**{"": ~presence.any(axis=1)})


def _draw_share(
    names: Sequence[str], presence: pd.DataFrame, groups: Mapping[str, str], fraction: float, seed: int
) -> list[str]:
    """Draws a stratified share of the photos, groups whole, sorted; nothing if there are fewer than two groups.

    A group with more photos than the whole share is not drawn as long as there are others. The number of groups may
    differ from the share by a tenth, in favour of the balance of classes.
    """
    from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit

    group = pd.Series([groups[name] for name in names], index=list(names), dtype="str")
    small = group[group.map(group.value_counts()) <= max(1, fraction * len(group))]
    if len(small) < len(group) and small.nunique() >= 2:
        fraction, group = fraction * len(group) / len(small), small
    group_presence = presence.loc[group.index].groupby(group).any().sort_index()
    if len(group_presence) < 2:
        return []
    share = max(1, min(len(group_presence) - 1, round(fraction * len(group_presence))))
    stratifier = MultilabelStratifiedShuffleSplit(n_splits=1, test_size=share, random_state=seed)
    classes = group_presence.to_numpy(dtype=int)
    _, rows = next(stratifier.split(np.zeros(len(classes)), classes))
    drawn = _adjust_share(share, np.isin(np.arange(len(classes)), rows), classes, seed)
    return sorted(group.index[group.isin(group_presence.index[drawn])])


def _take_fold(
    photos: Mapping[str, Sequence[str]], presence: pd.DataFrame, groups: Mapping[str, str], config: params.Split
) -> dict[str, list[str]]:
    """The splits with one fold as val and the others as train; test stays, or is divided with them and is empty.

    Each photo is in one fold, groups whole. The folds depend on the seed and on their number.

    Raises:
        UserError: there are fewer groups than folds.
    """
    from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

    number, count, of_all = params.parse_fold(config.fold)
    names = sorted({*photos["train"], *photos["val"], *(photos["test"] if of_all else ())})
    group = pd.Series([groups[name] for name in names], index=names, dtype="str")
    group_presence = presence.loc[names].groupby(group).any().sort_index()
    if len(group_presence) < count:
        raise UserError(
            f"split.fold: {count} folds need as many photos that are no near duplicates of each other, "
            f"there are {len(group_presence)}"
        )
    stratifier = MultilabelStratifiedKFold(n_splits=count, shuffle=True, random_state=config.seed)
    classes = group_presence.to_numpy(dtype=int)
    rows = [held_out for _, held_out in stratifier.split(np.zeros(len(classes)), classes)][number - 1]
    fold = set(group.index[group.isin(group_presence.index[rows])])
    return {"train": sorted(set(names) - fold), "val": sorted(fold), "test": [] if of_all else list(photos["test"])}


def _adjust_share(share: int, drawn: np.ndarray, classes: np.ndarray, seed: int) -> np.ndarray:
    """Moves groups in or out of the draw until their number differs from `share` by at most a tenth.

    The library draws class by class and rounds for each class, so that many small classes may all be rounded up, or all
    down. The group that is moved is the one that brings the classes' counts closest to their shares, by chi square.

    Args:
        share: the number of groups to draw.
        drawn: `(N,)` bool, whether a group is drawn.
        classes: `(N, C)`, 1 where a group has a class.
        seed: decides between groups of the same classes.
    """
    drawn = drawn.copy()
    expected = np.maximum(classes.sum(axis=0) * share / len(classes), np.finfo(float).tiny)
    order = np.random.RandomState(seed).permutation(len(classes))
    while abs(surplus := drawn.sum() - share) > share // 10:
        change = -np.sign(surplus)
        lacking = expected - classes[drawn].sum(axis=0)
        cost = classes @ ((1 - 2 * change * lacking) / expected)
        movable = order[drawn[order] == (surplus > 0)]
        moved = movable[np.argmin(cost[movable])]
        drawn[moved] = not drawn[moved]
    return drawn


def _check_splits(
    photos: Mapping[str, Sequence[str]],
    presence: pd.DataFrame,
    classes: Sequence[str],
    groups: Mapping[str, str],
    allow_no_test: bool,
) -> None:
    """Raises a `UserError` where a split has no photos, or train no box of a class."""
    sizes = ", ".join(f"{split} {len(members)}" for split, members in photos.items())
    for split, members in photos.items():
        if not members and not (split == "test" and allow_no_test):
            # Nothing is drawn from a single group, and what was not drawn is in train.
            reason = _duplicates_reason(photos["train"] if split != "train" else [], groups)
            raise UserError(
                f"{split} would have no photos ({sizes}){reason}; add photos, or change split.* in params.yaml"
            )
    for name in classes:
        if not presence.loc[photos["train"], name].any():
            raise UserError(
                f"no photo in train has a box of '{name}' ({presence[name].sum()} of all photos have one); add photos, "
                f"another split.seed or split.train_list, or leave the class out of data.classes"
            )


def _duplicates_reason(names: Collection[str], groups: Mapping[str, str]) -> str:
    """Returns that photos are one group of near duplicates, and how to divide them nevertheless; "" if they are not."""
    if len(names) < 2 or len({groups[name] for name in names}) > 1:
        return ""
    return (
        f": these {len(names)} photos are one group of near duplicates, such as frames of one video, and stay "
        "together; split.keep_duplicates_together: false divides them nevertheless, but then val and test measure "
        "little, since they hold near copies of photos in train"
    )
