"""Cross-validation of an ensemble without a training: the out-of-fold detections of finished ones, fused by photo.

No model that takes part was trained on the photo. All count alike, so that nothing is chosen on the photos that judge.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from apparel import params
from apparel.analysis import crossval_results, ensemble_fit
from apparel.analysis.crossval_results import CrossValidation, FoldResult
from apparel.analysis.result_sets import ResultSet
from apparel.errors import UserError
from apparel.inference import detection_tables, fusion
from apparel.tracking import runs
from apparel.utils import locking

MEMBERS = "crossval.fused"
"""Parameter of a fusion: the names of what was fused."""


def run(names: Sequence[str], name: str | None) -> CrossValidation:
    """Fuses finished cross-validations, writes the results as one of its own, and tells MLflow.

    Args:
        names: of two or more.
        name: of the new one; None for the others' names with `-` between.

    Raises:
        UserError: one is not finished, they differ in photos or classes, or the name is that of trainings.
    """
    if len(set(names)) < max(2, len(names)):
        raise UserError(f"--fuse {' '.join(names)}: name two or more cross-validations, each once")
    name = params.parse_name(name or "-".join(names), "--name")
    folder = crossval_results.folder(name)
    members = load_together(names)
    if folder.exists() and not _is_fusion(name):
        raise UserError(f"{name} is a cross-validation of trainings; choose another --name")
    with locking.only_one(folder / "lock", f"{name} is under way in another process; wait for it to end"):
        config = params.load()
        folds = fuse(members, crossval_results.read_folds(names[0]), config.train.min_precision)
        result = crossval_results.pool(name, folds)
        settings = {key: _common([getattr(member, key) for member in members]) for key in ("params", "data", "code")}
        settings["params"] |= {MEMBERS: ", ".join(names), "data.name": members[0].params["data.name"]}
        with runs.start_run(config, f"crossval {name}") as written:
            for fold in folds:
                crossval_results.write_fold(name, fold)
            for path in crossval_results.write(result, settings | {"run": written.id}):
                written.log_file(path, "crossval")
            written.log_params(settings["params"])
            written.log_metrics(crossval_results.figures(result))
            written.describe(crossval_results.markdown(result))
    return result


def load_together(names: Sequence[str]) -> list[ResultSet]:
    """Finished cross-validations of the same photos and classes, with as many seeds as all have.

    Raises:
        UserError: one is not finished, or they differ in photos or classes.
    """
    for name in names:
        if not crossval_results.is_finished(name):
            raise UserError(f"{name} is no finished cross-validation of this clone; `apparel crossval` makes one")
    members = [crossval_results.load(name) for name in names]
    seeds = min(member.photos["filename"].str.partition("/")[0].nunique() for member in members)
    members = [_first_seeds(member, seeds) for member in members]
    first = members[0]
    for name, member in zip(names, members, strict=True):
        if tuple(member.thresholds) != tuple(first.thresholds):
            raise UserError(f"{name} has other classes than {names[0]}: {', '.join(member.thresholds)}")
        if set(member.photos["filename"]) != set(first.photos["filename"]):
            raise UserError(f"{name} and {names[0]} are of other photos; cross-validate both on the same data")
    return members


def fuse(
    members: Sequence[ResultSet], folds: Sequence[FoldResult], min_precision: float | None = None
) -> list[FoldResult]:
    """The folds of the first member with the fused detections of all.

    Thresholds are those that a training would choose on the fold, as those of the members are.

    Args:
        members: what `load_together` returned.
        folds: the first member's; those of seeds that others lack are left out.
        min_precision: as `train.min_precision`.
    """
    photos, classes = members[0].photos, list(members[0].thresholds)
    views = [detection_tables.from_table(photos, member.detections, classes) for member in members]
    fused = detection_tables.to_table(photos, fusion.fuse(views, [1.0] * len(views)), classes)
    number, _, filename = fused["filename"].str.partition("/").to_numpy().T
    seeds = sorted({fold.seed for fold in folds})
    used = set(photos["filename"].str.partition("/")[0].astype(int))
    results = []
    for fold in folds:
        position = seeds.index(fold.seed)
        if position not in used:
            continue
        of_fold = (number.astype(int) == position) & pd.Series(filename).isin(fold.tables["photos"]["filename"])
        detections = fused.assign(filename=filename)[of_fold.to_numpy()].astype({"filename": "str"})
        truth = fold.tables["ground_truth"]
        chosen = ensemble_fit.choose_fused_thresholds(truth, detections, classes, min_precision)
        tables = {**fold.tables, "detections": detections.reset_index(drop=True), "thresholds": dict(chosen.by_class)}
        results.append(replace(fold, tables=tables))
    return results


def _first_seeds(member: ResultSet, count: int) -> ResultSet:
    """The detections of the first seeds alone."""

    def cut(rows: pd.DataFrame) -> pd.DataFrame:
        return rows[rows["filename"].str.partition("/")[0].astype(int) < count].reset_index(drop=True)

    return replace(
        member, photos=cut(member.photos), ground_truth=cut(member.ground_truth), detections=cut(member.detections)
    )


def _is_fusion(name: str) -> bool:
    """Whether what lies under that name was fused; a folder that a killed fusion left has no trainings either."""
    return not any((crossval_results.folder(name) / "trainings").glob("*/training.json"))


def _common(settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What all have alike; `compare` shows the rest as of the members."""
    return {key: value for key, value in settings[0].items() if all(each.get(key) == value for each in settings)}
