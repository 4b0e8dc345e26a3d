"""Results of a cross-validation: the out-of-fold detections of all trainings, pooled, and the spread of their mAP50.

Each photo was held out by one training a seed; together these trainings detect on every photo, and none on a photo that
it was trained on. With several seeds a photo is scored once a seed, as `<number of the seed>/<photo>`; in the
intervals it is one photo all the same (see `intervals.photo_of`), since what the seeds detect is not independent.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd

from apparel import paths
from apparel.analysis import result_sets
from apparel.analysis.result_sets import ResultSet
from apparel.boxes import CORNERS, LABEL_COLUMNS, PHOTO_COLUMNS, is_file_name
from apparel.classes import ALL
from apparel.errors import UserError
from apparel.evaluation import breakdown, evaluate, html, metrics, report
from apparel.evaluation.breakdown import Breakdown
from apparel.evaluation.evaluate import DECIMALS, SplitMetrics
from apparel.utils import csv_tables, files

CROSSVAL = paths.LOCAL / "crossval"
"""Where cross-validations lie, a folder each by its name."""

SUMMARY = "summary.json"
"""The file that is written last, and removed before a fold's results are replaced: with it all are there."""

REMEDY = "run the same `apparel crossval` again"

KEPT = (*result_sets.NEEDED, paths.METRICS)
"""What is kept of each training's eval."""

POOLED = "out-of-fold"
"""Name of the split of pooled detections."""


@dataclass(frozen=True)
class FoldResult:
    """What one training detects on the photos that it was not trained on.

    Attributes:
        seed: train.seed of the training.
        fold: number of the fold, from 1.
        experiment: DVC's name of the experiment.
        tables: photos, ground_truth, detections and thresholds, as a `ResultSet` has them.
    """

    seed: int
    fold: int
    experiment: str
    tables: Mapping[str, Any]


@dataclass(frozen=True)
class CrossValidation:
    """Pooled results.

    Attributes:
        name: of the cross-validation.
        folds: a row a training: seed, fold, experiment, photos, mAP50, and the AP50 of each class by its name.
        pooled: metrics of all out-of-fold detections, thresholds as the mean of those of the trainings.
        loss: the breakdown of these.
        detections: seed, fold, then the columns of a detections table.
    """

    name: str
    folds: pd.DataFrame
    pooled: SplitMetrics
    loss: Breakdown
    detections: pd.DataFrame


def folder(name: str) -> Path:
    """Folder of a cross-validation in this clone."""
    return CROSSVAL / name


def keep_results(project: Path, target: Path) -> None:
    """Copies what eval wrote in a copy of the project."""
    target.mkdir(parents=True, exist_ok=True)
    _give_up_summary(target)
    for path in KEPT:
        shutil.copyfile(project / path, target / path.name)


def write_fold(name: str, fold: FoldResult) -> None:
    """Writes the tables of a fold that was not trained, under the names that `keep_results` gives those of eval."""
    target = fold_folder(name, fold.seed, fold.fold)
    thresholds = [("val", label, score) for label, score in fold.tables["thresholds"].items()]
    tables = {
        paths.TEST_PHOTOS: fold.tables["photos"][[*PHOTO_COLUMNS, "sha256"]],
        paths.GROUND_TRUTH: fold.tables["ground_truth"][[*LABEL_COLUMNS, "difficult"]],
        paths.DETECTIONS: fold.tables["detections"],
        paths.PER_CLASS: pd.DataFrame(thresholds, columns=["split", "class", "threshold"]),
    }
    _give_up_summary(target)
    for path, table in tables.items():
        csv_tables.write(table, target / path.name)


def _give_up_summary(fold: Path) -> None:
    """Removes the summary if a fold has results that are about to be replaced, given the fold's folder."""
    if (fold / paths.PER_CLASS.name).exists():
        (fold.parents[1] / SUMMARY).unlink(missing_ok=True)


def fold_metrics(source: Path) -> dict[str, float]:
    """The figures of `metrics.json` among what `keep_results` copied, by name, `AP50/<class>` of a class."""
    figures = json.loads((source / paths.METRICS.name).read_text(encoding="utf-8"))["val"]
    flat = {f"AP50/{name}": value for name, value in figures["AP50"].items()}
    flat |= {name: figures[name] for name in ("mAP50", "mAP50_low", "mAP50_high", "COCO_AP")}
    return {name: value for name, value in flat.items() if value is not None}


def read_fold(seed: int, fold: int, experiment: str, source: Path) -> FoldResult:
    """What `keep_results` copied, validated.

    Raises:
        UserError: a file is missing or damaged.
    """
    return FoldResult(seed, fold, experiment, result_sets.read_tables(source))


def pool(name: str, results: Sequence[FoldResult]) -> CrossValidation:
    """Pools the trainings of a cross-validation.

    Raises:
        UserError: a photo is in two folds of a seed, or the trainings have other classes.
    """
    seeds = sorted({result.seed for result in results})
    classes = list(results[0].tables["thresholds"])
    if any(list(result.tables["thresholds"]) != classes for result in results):
        raise UserError(f"the trainings of {name} have different classes; remove {folder(name)} and run it again")
    tables = {
        key: pd.concat(
            [_numbered(result.tables[key], seeds.index(result.seed)) for result in results], ignore_index=True
        )
        for key in ("photos", "ground_truth", "detections")
    }
    if tables["photos"]["filename"].duplicated().any():
        raise UserError(f"a photo is in two folds of {name}; remove {folder(name)} and run it again")
    thresholds = pd.DataFrame([result.tables["thresholds"] for result in results]).mean().to_dict()
    pooled = evaluate.measure_split(SimpleNamespace(**tables), POOLED, classes, thresholds)
    detections = [result.tables["detections"].assign(seed=result.seed, fold=result.fold) for result in results]
    columns = ["seed", "fold", *results[0].tables["detections"].columns]
    folds = pd.DataFrame([_figures(result, classes) for result in results])
    return CrossValidation(name, folds, pooled, breakdown.break_down(pooled), pd.concat(detections)[columns])


def _numbered(table: pd.DataFrame, number: int) -> pd.DataFrame:
    return table.assign(filename=f"{number}/" + table["filename"])


def _figures(result: FoldResult, classes: Sequence[str]) -> dict[str, Any]:
    values = metrics.average_precision(result.tables["ground_truth"], result.tables["detections"], classes)
    first = {"seed": result.seed, "fold": result.fold, "experiment": result.experiment}
    photos = len(result.tables["photos"])
    return first | {"photos": photos, "mAP50": metrics.nan_mean(list(values.values()))} | values


def spread(folds: pd.DataFrame) -> dict[str, float]:
    """Mean and standard deviations of the trainings' mAP50.

    Returns:
        `mean`; `sd`, over all trainings; `sd_folds`, over folds, of the means over seeds; `sd_seeds`, over seeds, of
        the means over folds; nan where there is one only.
    """
    values = folds["mAP50"]
    by_fold, by_seed = (folds.groupby(key)["mAP50"].mean() for key in ("fold", "seed"))
    return {"mean": values.mean(), "sd": values.std(), "sd_folds": by_fold.std(), "sd_seeds": by_seed.std()}


def write(result: CrossValidation, settings: Mapping[str, Any]) -> list[Path]:
    """Writes the tables and the summary; returns their paths.

    Args:
        result: what `pool` returned.
        settings: what was run: `params` as text by dotted name, and whatever else is to be kept.
    """
    target, pooled = folder(result.name), result.pooled
    tables = {
        "folds": result.folds.round(DECIMALS),
        "per_class": pooled.per_class.reset_index().round(DECIMALS),
        "errors": breakdown.error_table([result.loss]),
        "strata": breakdown.strata_table([result.loss]),
        "detections": result.detections.round(dict.fromkeys(("xmin", "ymin", "xmax", "ymax"), 4)),
        "ground_truth": _once(pooled.ground_truth),
        "photos": _once(pooled.photos),
    }
    for name, table in tables.items():
        csv_tables.write_figures(table, target / f"{name}.csv")
    figures = evaluate.summary_metrics(pooled) | breakdown.summary(result.loss)
    spreads = {key: None if value != value else round(value, DECIMALS) for key, value in spread(result.folds).items()}
    experiments = result.folds[["seed", "fold", "experiment"]].to_dict("records")
    summary = {"pooled": figures, "mAP50": spreads, "trainings": experiments, **settings}
    files.write_json(target / SUMMARY, summary)
    return [target / SUMMARY, *(target / f"{name}.csv" for name in tables)]


def _once(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the first seed, under the photos' own names."""
    first = table[table["filename"].str.startswith("0/")]
    return first.assign(filename=first["filename"].str.removeprefix("0/"))


def terminal_text(result: CrossValidation) -> str:
    """Mean and spread, the pooled table, and what each type of error costs."""
    found = spread(result.folds)
    seeds, folds = result.folds["seed"].nunique(), result.folds["fold"].nunique()
    parts = [f"{name} {html.figure(found[key])}" for name, key in (("folds", "sd_folds"), ("seeds", "sd_seeds"))]
    lines = [
        f"mAP50 of the {len(result.folds)} trainings: {html.figure(found['mean'])} ± {html.figure(found['sd'])} "
        f"(standard deviations over {', over '.join(part for part in parts if not part.endswith('-'))})",
        f"pooled over {folds} folds and {seeds} seed{'s' * (seeds > 1)}:",
        report.terminal_text(result.pooled.per_class.reset_index().assign(split="test")).partition("\n")[2],
        breakdown.costs_text(result.loss),
    ]
    return "\n".join(line for line in lines if line)


def figures(result: CrossValidation) -> dict[str, float]:
    """Mean, spread and pooled AP50 by the names of metrics in MLflow, without those that are no numbers.

    The number of seeds is one of them: seeds may be added later, and a parameter in MLflow keeps its first value.
    """
    named = {f"crossval/{key}": value for key, value in spread(result.folds).items()}
    named["crossval/seeds"] = result.folds["seed"].nunique()
    named |= {f"crossval/AP50/{name}": value for name, value in result.pooled.per_class["AP50"].items()}
    return {name: value for name, value in named.items() if value == value}


def markdown(result: CrossValidation) -> str:
    """The result as Markdown, for the description of a run."""
    total = result.pooled.per_class.loc[ALL]
    limits = f"{html.figure(total['AP50_low'])}–{html.figure(total['AP50_high'])}"
    return (
        f"**mAP50 {html.figure(total['AP50'])}** ({limits}), out of fold on {len(_once(result.pooled.photos))} photos"
    )


def is_finished(name: str) -> bool:
    """Whether this clone has a cross-validation of that name, and all of its results."""
    return is_file_name(name) and (folder(name) / SUMMARY).is_file()


def load(name: str) -> ResultSet:
    """A finished cross-validation as a result set, for `apparel compare`: paired by photo and number of the seed.

    Raises:
        UserError: it is damaged.
    """
    pooled = pool(name, read_folds(name)).pooled
    _, settings = result_sets.read_summary(folder(name) / SUMMARY, REMEDY)
    return ResultSet(
        name=name,
        photos=pooled.photos,
        ground_truth=pooled.ground_truth,
        detections=pooled.matched[["filename", "class", "score", *CORNERS]],
        thresholds=pooled.thresholds,
        split=POOLED,
        **settings,
    )


def read_folds(name: str) -> list[FoldResult]:
    """The trainings of a finished cross-validation.

    Raises:
        UserError: it is damaged.
    """
    path = folder(name) / SUMMARY
    summary, _ = result_sets.read_summary(path, REMEDY)
    try:
        trainings = [(each["seed"], each["fold"], each["experiment"]) for each in summary["trainings"]]
    except (LookupError, TypeError):
        raise UserError(f"{path} is damaged; {REMEDY}") from None
    return [read_fold(*each, fold_folder(name, *each[:2])) for each in trainings]


def fold_folder(name: str, seed: int, fold: int) -> Path:
    """Where the results of one training lie."""
    return folder(name) / "trainings" / f"seed-{seed}-fold-{fold}"
