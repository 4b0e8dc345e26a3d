"""`apparel ensemble fit`: what it writes, and which cross-validations it takes."""

import dataclasses

import pandas as pd
import pytest

from apparel import params, paths
from apparel.analysis import crossval_results, ensemble_eval, ensemble_fit, ensemble_fit_run, ensembles
from apparel.analysis.result_sets import ResultSet
from apparel.errors import UserError
from apparel.inference.detection_tables import from_table
from apparel.inference.split_views import SplitViews
from apparel.utils import csv_tables
from tests.apparel.analysis.test_ensemble_fit import CLASSES, NAMES, TRUTH, detector
from tests.support.box_tables import photo_table
from tests.support.ensembles import network, use, write
from tests.support.repository import ROOT

GOOD, BAD = detector(0.5), detector(0.1, 0.9)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The loaded ensemble of a good and a bad detector."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(crossval_results, "CROSSVAL", tmp_path / "crossval")
    monkeypatch.setattr(ensemble_fit, "OVERLAPS", (0.55,))
    divided = pd.DataFrame({"filename": [*NAMES, "of-test.jpg"], "split": ["train"] * len(NAMES) + ["test"]})
    csv_tables.write(divided, paths.SPLIT / "photos.csv")
    use(monkeypatch, six=network("1", CLASSES), lite=network("2", CLASSES))
    photos = photo_table(NAMES)
    views = [from_table(photos, table, CLASSES) for table in (GOOD, GOOD, BAD)]
    val = SplitViews(photos, TRUTH, tuple(CLASSES), tuple(views), (0.01,) * 4)
    monkeypatch.setattr(ensemble_eval, "detect", lambda loaded, index, splits: dict.fromkeys(splits, val))
    return ensembles.load(write("members: [{model: six, mirrored: true}, {model: lite}]"))


def run(project, cross_validations=None):
    ensemble_fit_run.run(project, None, params.load(ROOT / "params.yaml"), cross_validations)


def results(name, detections, seeds=1, names=NAMES, classes=CLASSES):
    def numbered(table):
        parts = [table.assign(filename=f"{seed}/" + table["filename"]) for seed in range(seeds)]
        return pd.concat(parts, ignore_index=True)

    tables = (photo_table(names), TRUTH[TRUTH["filename"].isin(names)], detections[detections["filename"].isin(names)])
    photos, truth, detections = map(numbered, tables)
    return ResultSet(name, photos, truth, detections, dict.fromkeys(classes, 0.5), {}, {}, {}, None, None, None)


def cross_validate(monkeypatch, **by_name):
    for name in by_name:
        crossval_results.folder(name).mkdir(parents=True, exist_ok=True)
        (crossval_results.folder(name) / crossval_results.SUMMARY).touch()
    monkeypatch.setattr(crossval_results, "load", lambda name: by_name[name])


def test_weights_and_thresholds_are_written_and_hold_when_it_is_loaded_again(project, capsys):
    run(project)
    again = ensembles.load(project.path)
    six, lite = again.config.fusion.weights
    assert six > lite and not again.notes
    # All three views find the garment: each member's share times its score, to the six decimals of thresholds.
    score = (six * 0.5 + lite * 0.1) / (six + lite)
    assert again.network.metadata.thresholds.by_class == dict.fromkeys(CLASSES, pytest.approx(score, abs=1e-5))
    assert "mAP50 1.000 without lite" in capsys.readouterr().out.replace("      ", "mAP50 ")


def test_weights_come_from_cross_validations_that_are_of_the_same_photos(project, monkeypatch, capsys):
    cross_validate(monkeypatch, a=results("a", BAD, seeds=2), b=results("b", GOOD, seeds=1))
    run(project, ["a", "b"])
    six, lite = ensembles.load(project.path).config.fusion.weights
    assert lite > six
    assert "on 40 photos of the cross-validations a, b" in capsys.readouterr().out


def test_cross_validations_that_do_not_fit_are_refused(project, monkeypatch):
    other = results("c", GOOD, names=NAMES[:20])
    classes = results("d", GOOD, classes=CLASSES[::-1])
    cross_validate(monkeypatch, a=results("a", GOOD), c=other, d=classes)
    for names, told in (
        (["a"], "names 1 cross-validations for 2 members"),
        (["a", "none"], "none is no finished cross-validation of this clone"),
        (["a", "c"], "c and a are of other photos"),
        (["a", "d"], "d has other classes than a: Tops, Skirts"),
        (["d", "d"], "d has other classes than the ensemble: Tops, Skirts"),
    ):
        with pytest.raises(UserError, match=told):
            run(project, names)
    assert "fusion" not in project.path.read_text(encoding="utf-8")


def test_too_few_photos_on_val_leave_the_file_as_it_is(project, monkeypatch):
    few = ensemble_eval.detect(project, None, ["val"])["val"]
    few = dataclasses.replace(few, photos=few.photos[:2], ground_truth=TRUTH[:2])
    monkeypatch.setattr(ensemble_eval, "detect", lambda *given: {"val": few})
    with pytest.raises(UserError, match="2 photos with 2 boxes are too few"):
        run(project)


def test_weights_are_not_chosen_on_photos_of_test(project, monkeypatch):
    cross_validate(monkeypatch, six=results("six", GOOD, seeds=2), lite=results("lite", BAD, seeds=2))
    divided = pd.DataFrame({"filename": NAMES, "split": ["train", "test", *["val"] * (len(NAMES) - 2)]})
    csv_tables.write(divided, paths.SPLIT / "photos.csv")
    with pytest.raises(UserError, match="six: 1 of its photos are in test, on which no weights are chosen"):
        run(project, ["six", "lite"])
