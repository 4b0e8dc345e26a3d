"""Links in MLflow and git: the training's run, its parameters, commit and code."""

import pytest

from apparel.tracking.server import connect, tracking_uri
from tests.support import three_stage_project, traced_project
from tests.support.traced_project import DETECTIONS, MODEL, edit, links, problems


@pytest.fixture
def shop(traced, tmp_path, monkeypatch):
    return traced_project.enter_copy(traced, tmp_path / "shop", monkeypatch)


TAGS = {
    "unknown commit": ({"mlflow.source.git.commit": "0" * 40}, "commit", "git fetch"),
    "git told none": (
        {"mlflow.source.git.commit": "", "git.gap": "another user"},
        "commit",
        "then: another user; then",
    ),
    "no commit": ({"mlflow.source.git.commit": "--help"}, "commit", "git fetch"),
    "dirty without patch": ({"git.dirty": "true"}, "changes.patch", "lost"),
    "another parameter": ({"changed.train.seed": "8"}, "run", "train.seed"),
    "other photos": ({"data/shop/photos": "1" * 32 + ".dir"}, "run", "data/shop/photos"),
}


@pytest.mark.parametrize("fault", TAGS)
def test_a_run_that_differs_from_the_lock_is_named(shop, fault):
    tags, kind, words = TAGS[fault]
    client = connect(tracking_uri())
    for name, value in tags.items():
        client.set_tag(shop[1], name, value)
    assert words in problems(DETECTIONS)[kind]


def test_parameters_changed_for_the_next_run_break_nothing(shop):
    edit(shop[0] / "params.yaml", "data:\n  name: shoe\ntrain:\n  seed: 5\n")
    assert not problems(DETECTIONS)


def test_code_that_no_commit_has_is_named(shop):
    edit(shop[0] / "stages" / "work.py", three_stage_project.WORK + "# edited\n")
    three_stage_project.dvc(shop[0], "commit", "--quiet", "--force")
    assert "stages/work.py" in problems(DETECTIONS)["code"]


def test_a_run_elsewhere_is_missing_and_says_where_to_look(shop, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    (shop[0] / "mlflow.db").unlink()
    assert "MLFLOW_TRACKING_URI" in problems(MODEL)["run"]


def test_a_run_is_found_by_its_name(shop):
    assert links("first")["run"] == links(shop[1])["run"]


def test_a_store_of_mlflow_that_is_damaged_is_a_broken_link(shop):
    edit(shop[0] / "mlflow.db", "junk" * 1000)
    assert "cannot be read" in problems(DETECTIONS)["run"]
