"""Traced and made again, with the stages, DVC, git and MLflow as they are; only training and eval are cut short."""

import json

import pytest

from tests.support import fast_project, project_copy

pytestmark = pytest.mark.slow

DETECTIONS = "data/results/eval/detections.csv"


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = fast_project.copy(tmp_path_factory.mktemp("again"))
    fast_project.repro(folder)
    return folder


def traced(folder, what) -> dict:
    project_copy.sync(folder)
    done = project_copy.run(folder, "apparel", "trace", "--json", what)
    assert done.returncode == 0, done.stdout
    return json.loads(done.stdout)


def test_a_result_is_traced_whole_from_its_file_its_run_and_its_commit(ran):
    chain = traced(ran, DETECTIONS)
    kinds = {link["kind"]: link for link in chain["links"]}
    assert len(kinds["photos"]["files"]) == fast_project.DRAWN["photos"]
    assert {"annotations", "lists", "split", "TFRecords", "start checkpoint", "model", "commit"} <= set(kinds)
    assert chain["packages"]["tensorflow"]
    assert chain["machine"]["cores"]
    assert chain["parameters"]["train.batch_size"] == 16
    for what in (kinds["run"]["name"], "HEAD"):
        again = {link["kind"]: link["value"] for link in traced(ran, what)["links"]}
        assert again["model"] == kinds["model"]["value"]


def test_uncommitted_changes_are_traced_by_their_patch(ran):
    project_copy.set_params(ran / "params.yaml", train={"seed": 4})
    fast_project.repro(ran)
    links = {link["kind"]: link for link in traced(ran, DETECTIONS)["links"]}
    assert links["changes.patch"]["where"] == "MLflow"
    assert links["code"]["problem"] == ""


def test_all_of_it_comes_out_the_same_in_a_copy(ran):
    done = project_copy.run(ran, "apparel", "verify", "--yes")
    assert done.returncode == 0, done.stdout
    assert "came out the same, byte for byte" in done.stdout
    assert not project_copy.git(ran, "status", "--porcelain")
