"""`apparel promote` on runs of a store of the test's own; the results are made up, the latency is given."""

import argparse
import json
import shutil
from pathlib import Path

import pytest

from apparel import paths
from apparel.analysis import latency, model_card, promotion_run
from apparel.cli import promote
from apparel.errors import UserError
from apparel.tracking import registry
from apparel.tracking.registry import Registry
from apparel.tracking.server import DATABASE, connect, tracking_uri
from tests.support import promoted_project, registered_models
from tests.support.project_copy import git
from tests.support.promoted_project import NAMES, STRONG, WEAK
from tests.support.result_sets import finds, result_set


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory):
    """A folder with a database of MLflow without runs, which takes seconds to make."""
    folder = tmp_path_factory.mktemp("database")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        registered_models.new_database()
    return folder


@pytest.fixture
def project(tmp_path, monkeypatch, empty_database):
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_database / DATABASE, tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path.as_posix()}/{DATABASE}")
    monkeypatch.setattr(latency, "measure_in_turn", lambda models: [10.0] * len(models))
    promoted_project.new(tmp_path)
    return tmp_path


def run(name, **options):
    values = {"run": name, "force": False, "reason": None, "dry_run": False} | options
    promote.main(argparse.Namespace(**values))


def champion():
    version = Registry().version("champion")
    return version and version.number


def versions():
    return connect(tracking_uri()).search_model_versions("name = 'garments'")


@pytest.mark.slow
def test_first_better_and_worse(project, capsys):
    first = promoted_project.result(project, "first", WEAK)
    run("workspace", dry_run=True)
    assert "would become champion, the first one: there was nothing to beat" in capsys.readouterr().out
    assert versions() == [] and not git(project, "tag")

    run("workspace")
    printed, said = capsys.readouterr()
    assert "comparing" not in said
    assert "garments version 1 is champion now, the first one: there was nothing to beat" in printed
    assert "git tags garments@v1.0.0 and garments#champion#1" in printed
    assert champion() == 1 and registry.find("champion").is_dir()
    kept = {file.path for file in connect(tracking_uri()).list_artifacts(first, "card")}
    assert {"card/index.html", "card/model_card.md"} <= kept

    second = promoted_project.result(project, "second", STRONG, seed=1)
    run(second)  # by the run's id
    printed, said = capsys.readouterr()
    assert "comparing with the champion, garments version 1" in said
    assert "garments version 2 is champion now, in place of garments version 1" in printed
    assert printed.count("better") >= 4 and champion() == 2
    assert Registry().version("champion").tags["promote.result"] == "promoted"

    with pytest.raises(UserError, match=r"not promoted: 4 things are missing"):
        run("HEAD~1")  # the first model's commit
    printed = capsys.readouterr().out
    for name in ("mAP50", "Dresses", "Skirts", "Tops"):
        assert f"  - {name}:" in printed
    assert "registered as garments version 1; garments version 2 stays champion" in printed
    assert champion() == 2 and len(versions()) == 2

    run("HEAD~1", force=True, reason="the second was trained on <test> photos")
    assert "garments version 1 is champion now, forced" in capsys.readouterr().out
    version = Registry().version("champion")
    assert version.number == 1
    assert version.tags["promote.reason"] == "the second was trained on <test> photos"
    assert version.tags["promote.result"] == "forced" and "mAP50" in version.tags["promote.missing"]
    assert "trained on &lt;test&gt; photos" in (promotion_run.CARDS / "garments-v1/index.html").read_text("utf-8")
    entries = [json.loads(line) for line in promotion_run.LOG.read_text("utf-8").splitlines()]
    results = ["first champion", "promoted", "refused", "forced"]
    assert [entry["promote.result"] for entry in entries] == results
    assert git(project, "for-each-ref", "--format=%(contents:subject)", "refs/tags/garments#champion#3") != ""
    assert "trained on <test> photos" in git(project, "tag", "--list", "--format=%(contents)", "garments#champion#3")


def test_a_killed_promotion_is_repeated_with_one_version(project, capsys, monkeypatch):
    promoted_project.result(project, "first", WEAK)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(model_card, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        run("workspace")
    assert len(versions()) == 1 and champion() is None
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(promotion_run, "_tag_commit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        run("workspace")
    assert champion() == 1 and not git(project, "tag")
    capsys.readouterr()
    run("workspace")
    assert "workspace is the champion already: garments version 1" in capsys.readouterr().out
    assert len(versions()) == 1 and git(project, "tag").split() == ["garments#champion#1", "garments@v1.0.0"]


@pytest.mark.slow
def test_a_champion_that_moved_meanwhile_is_not_overwritten(project, monkeypatch):
    promoted_project.result(project, "first", WEAK)
    run("workspace")
    better = promoted_project.result(project, "better", STRONG, seed=1)
    other, md5 = registered_models.run_with_model("of another clone")

    def measure(models):
        Registry().set_alias(Registry().register(other, md5))
        return [10.0] * len(models)

    monkeypatch.setattr(latency, "measure_in_turn", measure)
    with pytest.raises(UserError, match="another process made garments version 2 champion; promote again"):
        run(better)
    assert champion() == 2


@pytest.mark.slow
def test_a_new_data_set_is_said(project, capsys):
    promoted_project.result(project, "first", WEAK)
    run("workspace")
    promoted_project.result(project, "other", STRONG, names=[f"new-{name}" for name in NAMES])
    capsys.readouterr()
    with pytest.raises(UserError, match="1 thing is missing"):
        run("workspace")
    assert "test photos: the champion was measured on 30, the candidate on 30, and none of them" in (
        capsys.readouterr().out
    )
    assert champion() == 1


@pytest.mark.slow
def test_a_champion_without_results_is_said_and_can_be_replaced(project, capsys):
    other, md5 = registered_models.run_with_model("of another program")
    Registry().set_alias(Registry().register(other, md5))
    promoted_project.result(project, "first", WEAK)
    with pytest.raises(UserError, match="1 thing is missing"):
        run("workspace")
    assert "the champion, garments version 1, cannot be compared: " in capsys.readouterr().out
    run("workspace", force=True, reason="it was made elsewhere")
    assert champion() == 2


@pytest.mark.slow
def test_what_is_not_committed_gets_no_git_tag(project, capsys):
    promoted_project.result(project, "first", WEAK)
    git(project, "rm", "--quiet", "--cached", "dvc.lock")
    git(project, "commit", "--quiet", "--amend", "--allow-empty", "--message", "without the lock")
    run("workspace")
    assert "does not find garments version 1 yet: no commit has its dvc.lock" in capsys.readouterr().out
    assert champion() == 1 and not git(project, "tag")


def test_a_result_without_a_run_or_a_reason_without_force_is_refused(project):
    promoted_project.measured_project.write(NAMES, WEAK)
    promoted_project.measured_project.commit(project, "no run")
    with pytest.raises(UserError, match="has no run that trained the model of 'workspace'; `apparel sync`"):
        run("workspace")
    for options in ({"force": True}, {"force": True, "reason": " "}, {"reason": "why"}):
        with pytest.raises(UserError, match="--force needs a reason"):
            run("workspace", **options)
    assert not Path(paths.LOCAL / "promotions.jsonl").exists()


def test_the_model_of_a_fold_is_refused_since_its_weights_were_chosen_on_what_judges_it(monkeypatch):
    of_fold = result_set("cv-s0-f1", finds(["00.jpg"]), split="val")
    monkeypatch.setattr(promotion_run.several_models, "refuse", lambda *given: None)
    monkeypatch.setattr(promotion_run.result_sets, "load", lambda name, reader: of_fold)
    with pytest.raises(UserError, match=r"'cv-s0-f1' was judged on val, .* a champion has to be measured on test"):
        promotion_run.find_candidate("cv-s0-f1", None, None)
