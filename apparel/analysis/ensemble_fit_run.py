"""`apparel ensemble fit`: detects on val, chooses weights there or on out-of-fold detections, and writes them down."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from apparel import params
from apparel.analysis import crossval_results, ensemble_eval, ensemble_fit
from apparel.analysis.ensemble_fit import Fit
from apparel.analysis.ensembles import Ensemble
from apparel.analysis.result_sets import ResultSet
from apparel.data.index import Index
from apparel.errors import UserError
from apparel.inference import ensemble_file, split_views


def run(ensemble: Ensemble, index: Index, config: params.Params, cross_validations: Sequence[str] | None) -> None:
    """Chooses, writes the section `fusion` of the ensemble's file and its thresholds, and prints both.

    Args:
        ensemble: the ensemble.
        index: of the TFRecords.
        config: all of params.yaml.
        cross_validations: names of finished ones, one a member in their order; None: weights are chosen on val.

    Raises:
        UserError: a cross-validation does not belong to its member, or there are too few photos.
    """
    tables = None if cross_validations is None else read_out_of_fold(ensemble, cross_validations)
    val = ensemble_eval.detect(ensemble, index, ["val"])["val"]
    classes, members = list(val.classes), len(ensemble.members)
    owners = [number for number in range(members) for _ in ensemble.views_of(number)]

    def fuse(weights: Sequence[float], iou: float) -> pd.DataFrame:
        fused = ensemble_fit.fuse_views(val.views, owners, weights, iou)
        return split_views.detection_table(val.photos, fused, classes)

    if tables is None:
        found, on = ensemble_fit.fit(val.photos, val.ground_truth, classes, members, fuse), "val"
    else:
        found, on = fit_out_of_fold(tables, classes), f"the cross-validations {', '.join(cross_validations)}"
    fused = fuse(found.fusion.weights, found.fusion.iou)
    thresholds = ensemble_fit.choose_fused_thresholds(val.ground_truth, fused, classes, config.train.min_precision)
    ensemble_file.write_fusion(ensemble.path, found.fusion)
    chosen = ensemble_file.read(ensemble.path)
    identity = ensemble_file.identity(chosen, [network.metadata.model for network in ensemble.members])
    written = ensemble_file.write_thresholds(ensemble.path, identity, thresholds)
    print(ensemble_fit.text(found, ensemble.config, on))
    print(f"thresholds on val: {', '.join(f'{name} {score:.3f}' for name, score in thresholds.by_class.items())}")
    print(f"written: {ensemble.path.as_posix()}, {written.as_posix()}; commit both")


def read_out_of_fold(ensemble: Ensemble, names: Sequence[str]) -> list[ResultSet]:
    """The out-of-fold detections of each member, on the same photos.

    Raises:
        UserError: there are not as many as members, one is not finished, or they differ in photos or classes.
    """
    if len(names) != len(ensemble.members):
        raise UserError(f"--crossval names {len(names)} cross-validations for {len(ensemble.members)} members")
    for name in names:
        if not (crossval_results.folder(name) / crossval_results.SUMMARY).is_file():
            raise UserError(f"{name} is no finished cross-validation of this clone; `apparel crossval` makes one")
    tables = [crossval_results.load(name) for name in names]
    seeds = [table.photos["filename"].str.partition("/")[0].nunique() for table in tables]
    tables = [_first_seeds(table, min(seeds)) for table in tables]
    first = tables[0]
    for name, table in zip(names, tables, strict=True):
        if tuple(table.thresholds) != ensemble.network.metadata.classes:
            raise UserError(f"{name} has other classes than the ensemble: {', '.join(table.thresholds)}")
        if set(table.photos["filename"]) != set(first.photos["filename"]):
            raise UserError(f"{name} and {names[0]} are of other photos; cross-validate both on the same data")
    return tables


def _first_seeds(table: ResultSet, count: int) -> ResultSet:
    """The detections of the first seeds alone."""

    def cut(rows: pd.DataFrame) -> pd.DataFrame:
        return rows[rows["filename"].str.partition("/")[0].astype(int) < count].reset_index(drop=True)

    return replace(
        table, photos=cut(table.photos), ground_truth=cut(table.ground_truth), detections=cut(table.detections)
    )


def fit_out_of_fold(tables: Sequence[ResultSet], classes: Sequence[str]) -> Fit:
    """Chooses on the pooled out-of-fold detections, one table a member; no photo is mirrored in them."""
    photos = tables[0].photos
    views = [ensemble_fit.detections_of_table(photos, table.detections, classes) for table in tables]
    owners = range(len(tables))

    def fuse(weights: Sequence[float], iou: float) -> pd.DataFrame:
        return split_views.detection_table(photos, ensemble_fit.fuse_views(views, owners, weights, iou), classes)

    return ensemble_fit.fit(photos, tables[0].ground_truth, classes, len(tables), fuse)
