"""Comparison of result sets on the same photos: which class got better, and whether that is more than chance.

For every class and the mean over classes, the difference of average precision to the first result set, with its 95%
interval on the same photos, see `apparel.evaluation.intervals`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from apparel.analysis.compare_losses import ERROR, loss_table
from apparel.analysis.result_sets import ResultSet
from apparel.boxes import CORNERS
from apparel.errors import UserError
from apparel.evaluation import intervals, metrics
from apparel.evaluation.differences import paired_differences
from apparel.evaluation.metrics import FALSE_POSITIVE

BETTER, WORSE, UNCLEAR, SAME = "better", "worse", "unclear", "the same"
"""Verdicts on a difference."""


@dataclass(frozen=True)
class Comparison:
    """Two or more result sets on the photos that they share; the others are compared with the first.

    Attributes:
        results: the result sets, in the given order.
        names: their names, with their positions where two are equal.
        classes: those of all result sets, in the order of the last one.
        photos: photo table of the shared photos.
        ground_truth: ground truth of the last result set, against which all are scored.
        matches: for each result set the table of `metrics.match_detections`.
        table: a row for each class and result set, then one of `ALL` for each result set: `class`, `result` (position
            of the result set), `boxes`, `AP50`, `difference` to the first, `low` and `high` (95% interval of the
            difference) and `verdict`; nan and empty where undefined.
        losses: what `compare_losses.loss_table` returned, with `verdict`: better is where an error costs less, or where
            the mAP50 of a range is higher.
        changes: what else differs: `kind` (parameter, data or code), name, and a text for each result set.
        notes: sentences on what the comparison leaves out.
    """

    results: list[ResultSet]
    names: list[str]
    classes: list[str]
    photos: pd.DataFrame
    ground_truth: pd.DataFrame
    matches: list[pd.DataFrame]
    table: pd.DataFrame
    losses: pd.DataFrame
    changes: list[tuple[str, str, list[str]]]
    notes: list[str]


def compare(results: Sequence[ResultSet]) -> Comparison:
    """Compares result sets with the first one.

    Raises:
        UserError: they share no photo, or no class.
    """
    classes = [name for name in results[-1].thresholds if all(name in result.thresholds for result in results)]
    if not classes:
        raise UserError("they have no class in common: there is nothing to compare")
    photos = _shared_photos(results)
    ground_truth = _select(results[-1].ground_truth, photos, classes)
    matches = [
        metrics.match_detections(ground_truth, _select(result.detections, photos, classes)) for result in results
    ]
    names = _unique_names(results)
    return Comparison(
        results=list(results),
        names=names,
        classes=classes,
        photos=photos,
        ground_truth=ground_truth,
        matches=matches,
        table=_table(photos, ground_truth, matches, classes),
        losses=_losses(photos, ground_truth, matches, classes),
        changes=_changes(results),
        notes=list(_notes(results, names, classes, photos, ground_truth)),
    )


def photos_text(compared: Comparison) -> str:
    """On how many photos: `183 test photos`, or of cross-validations `727 photos out of fold, each by 3 seeds`."""
    count, names = len(compared.photos), intervals.photo_names(compared.photos["filename"])
    if not compared.photos["filename"].str.contains("/", regex=False).any():
        return f"{count} {compared.results[-1].split} photos"
    seeds = count // len(names)
    return f"{len(names)} photos out of fold" + (f", each by {seeds} seeds" if seeds > 1 else "")


def _unique_names(results: Sequence[ResultSet]) -> list[str]:
    """The names of result sets, with the position, from 1, where two are equal."""
    names = [result.name for result in results]
    return [name if names.count(name) == 1 else f"{name} ({position})" for position, name in enumerate(names, start=1)]


def _shared_photos(results: Sequence[ResultSet]) -> pd.DataFrame:
    """The photos, by name and content, of all result sets.

    Raises:
        UserError: there is none.
    """
    shared = results[-1].photos
    for result in results[:-1]:
        shared = shared.merge(result.photos[["filename", "sha256"]], on=["filename", "sha256"])
    if not len(shared):
        sizes = ", ".join(f"{result.name} on {len(result.photos)}" for result in results)
        raise UserError(f"they were measured on different photos ({sizes}; none in common): nothing can be compared")
    return shared.sort_values("filename", ignore_index=True)


def _select(table: pd.DataFrame, photos: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """The rows of these photos and classes."""
    selected = table["filename"].isin(photos["filename"]) & table["class"].isin(classes)
    return table[selected].reset_index(drop=True)


def _table(
    photos: pd.DataFrame, ground_truth: pd.DataFrame, matches: list[pd.DataFrame], classes: Sequence[str]
) -> pd.DataFrame:
    boxes = ground_truth[~ground_truth["difficult"]].groupby("class").size().reindex(classes, fill_value=0)
    counts = [*boxes, boxes.sum()]
    rows = []
    for position, second in enumerate(matches):
        compared = paired_differences(photos["filename"], ground_truth, matches[0], second, classes)
        for count, (name, row) in zip(counts, compared.iterrows(), strict=True):
            limits = (row["low"], row["high"])
            figures = (count, row["second"], row["difference"], *limits)
            rows.append((name, position, *figures, verdict(row["difference"], *limits)))
    columns = ["class", "result", "boxes", "AP50", "difference", "low", "high", "verdict"]
    return pd.DataFrame(rows, columns=columns).sort_values("result", kind="stable", ignore_index=True)


def _losses(
    photos: pd.DataFrame, ground_truth: pd.DataFrame, matches: list[pd.DataFrame], classes: Sequence[str]
) -> pd.DataFrame:
    table = loss_table(photos, ground_truth, matches, classes)
    rises = np.where(table["kind"] == ERROR, -1, 1)
    limits = np.sort(table[["low", "high"]].to_numpy(float) * rises[:, None], axis=1)
    differences = zip(table["difference"] * rises, *limits.T, strict=True)
    return table.assign(verdict=[verdict(*each) for each in differences])


def verdict(difference: float, low: float, high: float) -> str:
    """The verdict on a difference with the interval `low` to `high`; empty if one of them is undefined."""
    if np.isnan(difference) or np.isnan(low):
        return ""
    if low == high == difference == 0:
        return SAME
    return BETTER if low > 0 else WORSE if high < 0 else UNCLEAR


def _changes(results: Sequence[ResultSet]) -> list[tuple[str, str, list[str]]]:
    changes = []
    for field, kind in (("params", "parameter"), ("data", "data"), ("code", "code")):
        values = [getattr(result, field) for result in results]
        for name in dict.fromkeys(name for by_name in values for name in by_name):
            texts = [by_name.get(name, "–") for by_name in values]
            # An MLflow run has only its commit, others the hash of each file: a missing one is no difference.
            if len(set(texts)) > 1 and not (kind == "code" and "–" in texts):
                changes.append((kind, name, texts))
    return changes


def _notes(
    results: Sequence[ResultSet],
    names: Sequence[str],
    classes: Sequence[str],
    photos: pd.DataFrame,
    ground_truth: pd.DataFrame,
) -> Iterator[str]:
    sizes = {name: len(result.photos) for name, result in zip(names, results, strict=True)}
    larger = [f"{name} on {size}" for name, size in sizes.items() if size > len(photos)]
    if larger:
        split = results[-1].split
        yield f"Compared on the {len(photos)} {split} photos that all were measured on ({', '.join(larger)})."
    more = [name for name, result in zip(names, results, strict=True) if len(result.thresholds) > len(classes)]
    if more:
        yield f"Compared on the classes that all have: {', '.join(classes)}; {', '.join(more)} has more."
    relabelled = set()
    columns = ["filename", "class", *CORNERS, "difficult"]
    for result in results[:-1]:
        both = pd.concat([_select(result.ground_truth, photos, classes)[columns], ground_truth[columns]])
        relabelled |= set(both.loc[~both.duplicated(keep=False), "filename"])
    if relabelled:
        yield f"The labelled boxes differ on {len(relabelled)} photos: all are scored against those of {names[-1]}."
    uncommitted = [name for name, result in zip(names, results, strict=True) if not result.code]
    if uncommitted:
        yield f"Which code ran is not recorded for {', '.join(uncommitted)}: `apparel trace` says why."


def outcomes(compared: Comparison, position: int, photo: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ground truth and shown detections of one photo in one result set.

    Returns:
        Both tables with the column `matched`: whether a box of the other table matches.
    """
    shown = _shown(compared, position)
    of_photo = compared.ground_truth["filename"] == photo
    detected = metrics.is_detected(compared.ground_truth, shown)[of_photo]
    shown = shown[shown["filename"] == photo]
    truth = compared.ground_truth[of_photo].assign(matched=detected)
    return truth, shown.assign(matched=shown["verdict"] != FALSE_POSITIVE)


def changed_photos(compared: Comparison) -> pd.DataFrame:
    """The photos with another result at the thresholds in some result set, the most changed first.

    Returns:
        `filename`; `change`: number of boxes that only one of a result set and the first detected, plus the difference
        in false positives, for the result set where this is largest; `errors`: by how many its missed boxes and false
        positives exceed those of the first, negative if it is better.
    """
    truth, filenames = compared.ground_truth, pd.Index(compared.photos["filename"])
    outcomes_by_result = []
    for position in range(len(compared.results)):
        shown = _shown(compared, position)
        wrong = shown[shown["verdict"] == FALSE_POSITIVE].groupby("filename").size()
        outcomes_by_result.append((metrics.is_detected(truth, shown), wrong.reindex(filenames, fill_value=0)))
    (first_detected, first_wrong), *others = outcomes_by_result
    largest = pd.DataFrame({"change": 0, "errors": 0}, index=filenames)
    for detected, wrong in others:
        more_wrong = wrong - first_wrong
        missed = (first_detected.astype(int) - detected.astype(int)).groupby(truth["filename"]).sum()
        differing = (detected != first_detected).groupby(truth["filename"]).sum()
        change = differing.reindex(filenames, fill_value=0) + more_wrong.abs()
        errors = missed.reindex(filenames, fill_value=0) + more_wrong
        largest = largest.where(largest["change"] >= change, pd.DataFrame({"change": change, "errors": errors}))
    largest = largest[largest["change"] > 0].astype(int).reset_index()
    return largest.sort_values(["change", "filename"], ascending=[False, True], ignore_index=True)


def _shown(compared: Comparison, position: int) -> pd.DataFrame:
    """The matched detections of a result set from its thresholds on."""
    return metrics.above_threshold(compared.matches[position], compared.results[position].thresholds)
