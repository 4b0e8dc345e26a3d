"""`apparel ensemble fit`: detects on val, chooses weights there or on out-of-fold detections, and writes them down."""

from collections.abc import Sequence

import pandas as pd

from apparel import params, paths
from apparel.analysis import crossval_fusion, ensemble_eval, ensemble_fit
from apparel.analysis.ensemble_fit import Fit
from apparel.analysis.ensembles import Ensemble
from apparel.analysis.result_sets import ResultSet
from apparel.data.index import Index
from apparel.errors import UserError
from apparel.evaluation import intervals
from apparel.inference import detection_tables, ensemble_file
from apparel.utils import csv_tables


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
        return detection_tables.to_table(val.photos, fused, classes)

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
        UserError: there are not as many as members, one is not finished, they differ in photos or classes, or photos of
            test are among theirs.
    """
    if len(names) != len(ensemble.members):
        raise UserError(f"--crossval names {len(names)} cross-validations for {len(ensemble.members)} members")
    tables = crossval_fusion.load_together(names)
    if tuple(tables[0].thresholds) != ensemble.network.metadata.classes:
        raise UserError(f"{names[0]} has other classes than the ensemble: {', '.join(tables[0].thresholds)}")
    _check_without_test(names[0], tables[0])
    return tables


def _check_without_test(name: str, table: ResultSet) -> None:
    """Refuses a cross-validation with photos of today's test, as `--all` makes one."""
    divided = csv_tables.read(paths.SPLIT / "photos.csv", ["filename", "split"])
    test = set(divided.loc[divided["split"] == "test", "filename"])
    count = len(test.intersection(intervals.photo_names(table.photos["filename"])))
    if count:
        raise UserError(
            f"{name}: {count} of its photos are in test, on which no weights are chosen; cross-validate without --all, "
            "with the split of today"
        )


def fit_out_of_fold(tables: Sequence[ResultSet], classes: Sequence[str]) -> Fit:
    """Chooses on the pooled out-of-fold detections, one table a member; no photo is mirrored in them."""
    photos = tables[0].photos
    views = [detection_tables.from_table(photos, table.detections, classes) for table in tables]
    owners = range(len(tables))

    def fuse(weights: Sequence[float], iou: float) -> pd.DataFrame:
        return detection_tables.to_table(photos, ensemble_fit.fuse_views(views, owners, weights, iou), classes)

    return ensemble_fit.fit(photos, tables[0].ground_truth, classes, len(tables), fuse)
