"""Names of ensembles and cross-validations where a single model is asked for: one sentence with the remedy."""

import re

import pytest

from apparel.analysis import (
    crossval_results,
    ensemble_eval,
    exported_models,
    promotion_run,
    result_sets,
    several_models,
)
from apparel.errors import UserError
from tests.support import project_copy
from tests.support.ensembles import write

TWO = "members: [{model: six, mirrored: true}]\n"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for variable in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{variable}_NAME", "a")
        monkeypatch.setenv(f"{variable}_EMAIL", "a@b")
    project_copy.git(tmp_path, "init", "--quiet")
    project_copy.git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "first")
    write(TWO)
    crossval_results.folder("cv").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("name", ["two", "configs/ensembles/two.yaml"])
def test_speed_and_promote_refuse_an_ensemble_and_name_what_to_use(name):
    with (
        pytest.raises(UserError, match=r"is an ensemble; `apparel compare --speed` .*`apparel ensemble eval two`"),
        exported_models.load_models([name]),
    ):
        pass
    with pytest.raises(UserError, match=r"is an ensemble; `apparel promote` .*`apparel compare workspace two`"):
        promotion_run.find_candidate(name, None, None)


def test_a_crossvalidation_is_no_single_model():
    with pytest.raises(UserError, match=r"is a cross-validation; `apparel promote` takes .*cv-s0-f1"):
        promotion_run.find_candidate("cv", None, None)


def test_an_experiment_of_the_same_name_is_taken(project):
    assert several_models.kind("two") == several_models.ENSEMBLE
    tip = project_copy.git(project, "rev-parse", "HEAD").strip()
    for name in ("two", "cv"):
        project_copy.git(project, "update-ref", f"refs/exps/{tip[:2]}/{tip[2:]}/{name}", tip)
        assert several_models.kind(name) is None
    assert several_models.kind("neither") is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("two", "'two' is an ensemble without results here: `apparel ensemble eval` measures it"),
        ("cv", "'cv' is a cross-validation that is not finished; run the same `apparel crossval` again"),
    ],
)
def test_compare_says_what_is_not_measured_yet(name, message):
    with pytest.raises(UserError, match=re.escape(message)):
        ensemble_eval.find_results([name, "workspace"], reader=None)


def test_a_crossvalidation_is_compared_with_another_one_alone(monkeypatch, project):
    finished = {"cv", "other"}
    monkeypatch.setattr(crossval_results, "is_finished", lambda name: name in finished)
    monkeypatch.setattr(crossval_results, "load", lambda name: f"out of fold: {name}")
    monkeypatch.setattr(result_sets, "load", lambda name, reader: f"on test: {name}")
    assert ensemble_eval.find_results(["cv", "other"], None) == ["out of fold: cv", "out of fold: other"]
    with pytest.raises(
        UserError, match=r"'cv' is a cross-validation, .* can be compared with another one, not with HEAD"
    ):
        ensemble_eval.find_results(["HEAD", "cv"], None)
    tip = project_copy.git(project, "rev-parse", "HEAD").strip()
    project_copy.git(project, "update-ref", f"refs/exps/{tip[:2]}/{tip[2:]}/cv", tip)
    assert ensemble_eval.find_results(["HEAD", "cv"], None) == ["on test: HEAD", "on test: cv"]
    assert ensemble_eval.find_results(["cv", "other"], None) == ["out of fold: cv", "out of fold: other"]
