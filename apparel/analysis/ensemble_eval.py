"""Evaluation of an ensemble on the TFRecords: the tables, metrics and page of the stage eval, in a folder of its own.

No stage of DVC: an ensemble has members of several commits, and none of its own. Results lie in
`.apparel/ensembles` and in MLflow, as the run `ensemble NAME`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from apparel import params, paths
from apparel.analysis import crossval_results, result_sets, several_models
from apparel.analysis.ensembles import Ensemble
from apparel.analysis.result_sets import ResultSet
from apparel.boxes import is_file_name
from apparel.classes import ALL
from apparel.data.index import Index
from apparel.errors import UserError, plain
from apparel.evaluation import breakdown, evaluate, gallery, html, metrics, report
from apparel.evaluation.evaluate import SplitMetrics
from apparel.tracking import runs
from apparel.utils import csv_tables, files
from apparel.versioning import dvc_lock, provenance

if TYPE_CHECKING:
    from apparel.inference.split_views import SplitViews
    from apparel.tracking.reader import Reader

FOLDER = paths.LOCAL / "ensembles"
"""Where evaluations lie, a folder each by the ensemble's name."""

SUMMARY = "ensemble.json"
"""The file that is written last."""

OF_ONE_MODEL = ("train", "export")
"""Sections of params.yaml, and stages, that say nothing of an ensemble: each member has values of its own."""

MEMBERS = "members.csv"


@dataclass(frozen=True)
class Evaluation:
    """What was measured of an ensemble.

    Attributes:
        judged: metrics of the split that is judged.
        val: metrics of val; the same where val is judged.
        members: a row a member: model, share, views, input (pixels), val and judged (mAP50 of its first view), ms.
        ms: milliseconds a photo of all views and the fusion.
    """

    judged: SplitMetrics
    val: SplitMetrics
    members: pd.DataFrame
    ms: float


def folder(name: str) -> Path:
    """Folder of an ensemble's evaluation in this clone."""
    return FOLDER / name


def detect(ensemble: Ensemble, index: Index, splits: list[str]) -> dict[str, "SplitViews"]:
    """The detections of each view on splits of the TFRecords.

    Raises:
        UserError: the TFRecords have other classes than the ensemble, or another order of them.
    """
    from apparel.inference import split_views

    if index.classes != ensemble.network.metadata.classes:
        raise UserError(
            f"{ensemble.path}: the TFRecords have the classes {', '.join(index.classes)}, its members "
            f"{', '.join(ensemble.network.metadata.classes)}; set data.classes to these and run `dvc repro tfrecord`"
        )
    detected = {}
    for split in splits:
        detected[split] = split_views.detect_split(ensemble.network, index, split)
        evaluate.check_photos(split, detected[split].photos, index.splits[split].photos)
    return detected


def measure(ensemble: Ensemble, detected: Mapping[str, "SplitViews"], judged: str) -> Evaluation:
    """Measures an ensemble, and each member by itself.

    Args:
        ensemble: the ensemble.
        detected: what `detect` gave for val and the judged split.
        judged: name of the split that is judged.
    """
    network, classes = ensemble.network, list(ensemble.network.metadata.classes)
    weights = [view.weight for view in network.views]
    fused = {split: views.fused(weights, network.iou) for split, views in detected.items()}
    thresholds = network.metadata.thresholds.by_class
    measured = {split: evaluate.measure_split(scored, split, classes, thresholds) for split, scored in fused.items()}
    rows = []
    for number, (member, share) in enumerate(zip(ensemble.config.members, ensemble.config.shares, strict=True)):
        views, metadata = ensemble.views_of(number), ensemble.members[number].metadata
        row = {"model": member.model, "share": share, "views": len(views)}
        row |= {"input": f"{metadata.width} × {metadata.height}"}
        row |= {key: _map50(detected[split], views[0], classes) for key, split in (("val", "val"), ("judged", judged))}
        rows.append(row | {"ms": 1000 * sum(detected[judged].seconds[view] for view in views)})
    return Evaluation(measured[judged], measured["val"], pd.DataFrame(rows), 1000 * fused[judged].seconds_per_photo)


def _map50(views: "SplitViews", view: int, classes: list[str]) -> float:
    scored = views.single(view)
    return metrics.nan_mean(list(metrics.average_precision(scored.ground_truth, scored.detections, classes).values()))


def write(ensemble: Ensemble, evaluation: Evaluation, index: Index, config: params.Params) -> Path:
    """Writes tables, pictures and the page, and logs all with a run in MLflow; returns the page."""
    from apparel.models import inputs

    judged, val = evaluation.judged, evaluation.val
    target = folder(ensemble.path.stem)
    files.remove_tree(target / paths.EVAL_PICTURES.name)
    (target / SUMMARY).unlink(missing_ok=True)
    losses = {results.split: breakdown.break_down(results) for results in (val, judged)}
    page = _write_results(ensemble, evaluation, losses, inputs.record_files(index, judged.split), config)
    with _open_run(ensemble, config, target) as run:
        run.log_metrics(_figures(evaluation))
        for path in [*(target / path.name for path in paths.EVAL_FILES), target / MEMBERS]:
            run.log_file(path, "eval")
        run.log_folder(target / paths.EVAL_PICTURES.name, "pictures")
        run.describe(report.markdown(judged))
    lock = dvc_lock.read_workspace()
    stages = {name: stage for name, stage in lock.stages.items() if name not in OF_ONE_MODEL}
    data, code = result_sets.inputs_of(dvc_lock.Lock(lock.revision, stages))
    texts = {key: str(value) for key, value in _settings(ensemble, config).items()}
    summary = {"params": texts, "data": data, "code": code, "model": ensemble.network.metadata.model}
    summary |= {"run": run.id, "ms": round(evaluation.ms, 3)}
    files.write_json(target / SUMMARY, summary)  # the last: with it the results are whole
    return page


def _write_results(
    ensemble: Ensemble,
    evaluation: Evaluation,
    losses: dict[str, breakdown.Breakdown],
    records: list[Path],
    config: params.Params,
) -> Path:
    """Writes the tables, pictures and page of the judged split, as the stage eval does; returns the page."""
    judged, val, target = evaluation.judged, evaluation.val, folder(ensemble.path.stem)
    report.write_tables(judged, val, losses, report.image_digests(records), target)
    _write_members(evaluation.members, target)
    picked = evaluate.select_photos(judged, config.eval.pictures)
    wanted = {photo for group in picked.values() for photo in group}
    images = {photo: image for photo, image in report.encoded_images(records) if photo in wanted}
    groups = report.write_pictures(judged, None, images, picked, target / paths.EVAL_PICTURES.name)
    photos = gallery.make_gallery(judged, report.encoded_images(records), gallery.select_photos(judged))
    about = {"name": ensemble.path.stem, "iou": ensemble.network.iou, "ms": evaluation.ms}
    about |= {"members": evaluation.members.to_dict("records")}
    values = _settings(ensemble, config)
    report.write_page(judged, val, losses[judged.split], groups, photos, values, target, about)
    return target / paths.EVAL_PAGE.name


def _write_members(members: pd.DataFrame, target: Path) -> None:
    table = members.round({"share": 4, "val": evaluate.DECIMALS, "judged": evaluate.DECIMALS, "ms": 3})
    csv_tables.write_figures(table, target / MEMBERS)


def _settings(ensemble: Ensemble, config: params.Params) -> dict[str, Any]:
    """What an ensemble is made of and judged by, as parameters of its run in MLflow."""
    values = {key: value for key, value in config.flat().items() if key.partition(".")[0] not in OF_ONE_MODEL}
    values["ensemble.members"] = ", ".join(member.label for member in ensemble.config.members)
    values["ensemble.models"] = ", ".join(network.metadata.model for network in ensemble.members)
    values["ensemble.shares"] = ", ".join(f"{share:.3f}" for share in ensemble.config.shares)
    return values | {"ensemble.iou": ensemble.network.iou}


def _open_run(ensemble: Ensemble, config: params.Params, target: Path) -> runs.Run:
    """The run of these members and weights in MLflow: that of an earlier evaluation, or a new one."""
    name, record = ensemble.path.stem, target / f"run-{ensemble.network.metadata.model}"
    if record.exists():
        return runs.attach_run(record.read_text(encoding="utf-8"), config)
    run = runs.start_run(config, f"ensemble {name}")
    files.write_text(record, run.id)
    run.log_params(_settings(ensemble, config))
    run.set_tags(provenance.tags(config) | {"ensemble": name})
    return run


def _figures(evaluation: Evaluation) -> dict[str, float]:
    judged = evaluation.judged
    figures = evaluate.headline_metrics(evaluation.val) | evaluate.headline_metrics(judged)
    if "test/mAP50" in figures:
        figures[evaluate.FIRST_METRIC] = figures["test/mAP50"]
    return figures | {f"{judged.split}/seconds_per_photo": evaluation.ms / 1000}


def terminal_text(evaluation: Evaluation) -> str:
    """The members with their figures, then what the stage eval prints."""
    judged, members = evaluation.judged, evaluation.members
    table = members.assign(share=members["share"].map("{:.3f}".format), ms=members["ms"].map("{:.1f}".format))
    table[["val", "judged"]] = members[["val", "judged"]].map(html.figure)
    table = table.rename(columns={"val": "val mAP50", "judged": f"{judged.split} mAP50", "ms": "ms a photo"})
    table = table.loc[:, ~table.columns.duplicated()]
    per_class = judged.per_class.reset_index().assign(split=judged.split)
    by_split = {part.split: part.per_class.loc[ALL, "AP50"] for part in (judged, evaluation.val)}
    lines = [
        table.to_string(index=False),
        report.terminal_text(per_class),
        "mAP50 " + ", ".join(f"{html.figure(value)} on {split}" for split, value in by_split.items()),
        f"{evaluation.ms:.1f} ms a photo, {1000 / evaluation.ms:.0f} photos/s: all networks and the fusion, in batches",
    ]
    return "\n".join(lines)


def find_results(names: Sequence[str], reader: Callable[[], "Reader"]) -> list[ResultSet]:
    """What to compare: cross-validations, where all names are those of finished ones, else results on test.

    Of these each is an ensemble's that this clone has evaluated, or what `result_sets.load` finds.

    Raises:
        UserError: nothing has such a name, it is not measured yet, it is damaged, or one alone is a cross-validation.
    """
    if all(map(crossval_results.is_finished, names)):
        return [crossval_results.load(name) for name in names]
    return [_on_test(name, names, reader) for name in names]


def _on_test(name: str, names: Sequence[str], reader: Callable[[], "Reader"]) -> ResultSet:
    if is_file_name(name) and (folder(name) / SUMMARY).is_file():
        return load(name)
    if crossval_results.is_finished(name) and several_models.kind(name):
        others = [other for other in names if not crossval_results.is_finished(other)]
        raise UserError(
            f"'{name}' is a cross-validation, measured out of fold: it can be compared with another one, not with "
            f"{plain(', '.join(others))}"
        )
    several_models.refuse_unmeasured(name)
    return result_sets.load(name, reader)


def load(name: str) -> ResultSet:
    """An evaluated ensemble as a result set, for `apparel compare`.

    Raises:
        UserError: it is damaged.
    """
    remedy = f"run `apparel ensemble eval {name}` again"
    _, settings = result_sets.read_summary(folder(name) / SUMMARY, remedy)
    return ResultSet(name=name, **result_sets.read_tables(folder(name)), **settings)
