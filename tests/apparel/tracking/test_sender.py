"""Sending to a real SQLite store, one for the module since its creation takes seconds, and by the real process."""

import shutil
from pathlib import Path

import pytest

from apparel import params
from apparel.tracking import runs, sender_process
from apparel.tracking.outbox import OUTBOXES, find_outbox
from apparel.tracking.run_lookup import ID_TAG
from apparel.tracking.sender import Sender, describe_held, problem
from apparel.tracking.server import LOCAL_SERVER, connect
from tests.support.outboxes import add_file, check_whole, fill, new_outbox, runs_of
from tests.support.repository import ROOT


@pytest.fixture(autouse=True)
def here(mlflow_folder, monkeypatch):
    monkeypatch.chdir(mlflow_folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.rmtree(OUTBOXES, ignore_errors=True)


@pytest.fixture
def client(here):
    return connect(LOCAL_SERVER)


@pytest.fixture
def outbox(here):
    return new_outbox()


def test_everything_arrives_as_it_was(client, outbox):
    fill(outbox)
    ends = [line.time for line in outbox.lines()]
    Sender(outbox).send()
    run = check_whole(client, outbox)
    assert (run.info.run_name, run.info.start_time, run.info.end_time) == ("a run", 1000, ends[-1])
    times = [point.timestamp for point in client.get_metric_history(run.info.run_id, "train/loss")]
    assert times == [line.time for line in outbox.lines() if line.kind == "metrics"]
    assert not list(outbox.unsent_lines())
    assert not list((outbox.folder / "files").iterdir())  # copies are deleted once they are sent


@pytest.mark.parametrize("run_recorded", [True, False], ids=["run recorded", "run not recorded"])
def test_lines_sent_twice_arrive_once(client, outbox, run_recorded):
    """As after a crash between sending and recording that."""
    fill(outbox)
    copy = shutil.copytree(outbox.folder / "files", outbox.folder / "copy")
    Sender(outbox).send()
    run, _ = outbox.sent()
    shutil.copytree(copy, outbox.folder / "files", dirs_exist_ok=True)
    outbox.advance(run if run_recorded else None, 0)
    Sender(outbox).send()
    check_whole(client, outbox)


def test_lines_added_later_are_sent_to_the_same_run(client, outbox):
    outbox.append("metrics", {"train/loss": 1.0}, 0)
    Sender(outbox).send()
    outbox.append("metrics", {"test/mAP50": 0.5})
    Sender(find_outbox(outbox.id)).send()
    (run,) = runs_of(client, outbox)
    assert run.data.metrics == {"train/loss": 1.0, "test/mAP50": 0.5}


@pytest.mark.parametrize("lost", ["deleted in MLflow", "gone from its store"])
def test_a_lost_run_is_sent_again_from_its_first_line(client, outbox, lost):
    outbox.append("metrics", {"train/loss": 1.0}, 0)
    Sender(outbox).send()
    first, sent = outbox.sent()
    if lost == "deleted in MLflow":
        client.delete_run(first)
    else:
        client.set_tag(first, ID_TAG, "another")
        outbox.advance("f" * 32, sent)
    outbox.append("metrics", {"test/mAP50": 0.5})
    Sender(outbox).send()
    (run,) = runs_of(client, outbox)
    assert run.info.run_id not in (first, "f" * 32)
    assert run.data.metrics == {"train/loss": 1.0, "test/mAP50": 0.5}


def test_a_run_that_was_given_is_used_and_never_replaced(client):
    given_run = client.create_run(client.create_experiment("sweep")).info.run_id
    outbox = new_outbox(run=given_run)
    outbox.append("metrics", {"train/loss": 1.0})
    Sender(outbox).send()
    assert client.get_run(given_run).data.metrics == {"train/loss": 1.0}
    client.delete_run(given_run)
    outbox.append("metrics", {"train/loss": 2.0}, 1)
    with pytest.raises(Exception, match=given_run):
        Sender(outbox).send()
    assert len(list(outbox.unsent_lines())) == 1


@pytest.mark.parametrize("parent_given", ["by MLflow's id", "by its outbox", "by another clone's outbox"])
def test_a_run_is_shown_under_its_parent(client, parent_given):
    parent = new_outbox()
    parent.append("status", {"status": "RUNNING"})
    if parent_given != "by its outbox":
        Sender(parent).send()
    outbox = new_outbox(parent=parent.sent()[0] if parent_given == "by MLflow's id" else parent.id)
    outbox.append("status", {"status": "RUNNING"})
    if parent_given == "by another clone's outbox":
        shutil.rmtree(parent.folder)
    Sender(outbox).send()
    (run,) = runs_of(client, outbox)
    (above,) = runs_of(client, parent)
    assert run.data.tags["mlflow.parentRunId"] == above.info.run_id


def test_a_run_waits_for_a_parent_that_another_clone_has_not_sent_yet(client, outbox):
    outbox.append("status", {"status": "RUNNING"})
    orphan = new_outbox(parent=outbox.id)
    orphan.append("status", {"status": "RUNNING"})
    outbox.folder.rename(outbox.folder.with_name("elsewhere"))
    with pytest.raises(Exception, match=outbox.id):
        Sender(orphan).send()
    outbox.folder.with_name("elsewhere").rename(outbox.folder)
    Sender(orphan).send()
    assert not list(orphan.unsent_lines())


def test_a_run_given_by_its_outbox_is_used(client, outbox):
    outbox.append("metrics", {"train/loss": 1.0})
    again = new_outbox(run=outbox.id)
    again.append("status", {"status": "FINISHED"})
    Sender(again).send()
    (run,) = runs_of(client, outbox)
    assert (run.info.run_id, run.info.status) == (again.sent()[0], "FINISHED")


def test_a_changed_parameter_becomes_a_tag(client, outbox):
    outbox.append("params", {"eval.pictures": "6", "train.seed": "0"})
    Sender(outbox).send()
    outbox.append("params", {"eval.pictures": "10", "train.seed": "0", "eval.new": "1"})
    Sender(outbox).send()
    (run,) = runs_of(client, outbox)
    assert run.data.params == {"eval.pictures": "6", "train.seed": "0", "eval.new": "1"}
    assert {name for name in run.data.tags if name.startswith("changed.")} == {"changed.eval.pictures"}
    assert run.data.tags["changed.eval.pictures"] == "10"


@pytest.mark.parametrize(("tag", "status"), [("failure", "FAILED"), ("pruned", "KILLED"), ("stopped", "KILLED")])
def test_the_tag_of_why_a_run_ended_is_deleted_when_it_continues(client, outbox, tag, status):
    outbox.append("tags", {tag: "disk full"})
    outbox.append("status", {"status": status})
    Sender(outbox).send()
    (run,) = runs_of(client, outbox)
    assert (run.info.status, run.data.tags[tag]) == (status, "disk full")
    outbox.append("status", {"status": "RUNNING"})
    Sender(outbox).send()
    (run,) = runs_of(client, outbox)
    assert run.info.status == "RUNNING"
    assert tag not in run.data.tags


def test_a_refused_line_is_named_and_all_others_are_sent(client, outbox):
    for step in range(10):
        outbox.append("metrics", {"bad#name" if step == 4 else "good": 1.0}, step)
    sender = Sender(outbox)
    sender.send()
    (run,) = runs_of(client, outbox)
    assert [point.step for point in client.get_metric_history(run.info.run_id, "good")] == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    (missing,) = describe_held(outbox)
    assert "MLflow does not have metric bad#name: MLflow refused it" in missing


def test_files_are_found_after_the_project_moved(client, outbox, mlflow_folder, monkeypatch):
    add_file(outbox, "1.png", "picture", "pictures")
    Sender(outbox).send()
    moved = mlflow_folder.with_name("moved project")
    mlflow_folder.rename(moved)
    try:
        monkeypatch.chdir(moved)
        (run,) = runs_of(client, outbox)
        assert run.info.artifact_uri.startswith("mlartifacts/")
        assert Path(client.download_artifacts(run.info.run_id, "pictures/1.png")).read_text() == "picture"
    finally:
        moved.rename(mlflow_folder)


def test_a_missing_password_is_asked_for(outbox, monkeypatch):
    away = new_outbox(server="http://user:sec@ret@127.0.0.1:1")
    assert "put user and password into MLFLOW_TRACKING_URI" in problem(away, OSError("status 401"))
    assert "MLFLOW_TRACKING_URI" not in problem(away, OSError("connection refused"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:sec@ret@127.0.0.1:1")
    told = problem(away, OSError("status 401 of http://user:sec@ret@127.0.0.1:1"))
    assert told == "MLflow at http://127.0.0.1:1 does not take the run (status 401 of http://127.0.0.1:1)"


def test_a_stage_and_its_sender(client, monkeypatch):
    """With the process that a stage starts, from the first line to the last."""
    monkeypatch.setattr(sender_process, "PATIENCE", 600)  # seconds; a busy machine starts processes slowly
    config = params.load(ROOT / "params.yaml")
    with runs.open_run(config, "key") as run:
        for step in range(100):
            run.log_metrics({"train/loss": 1.0}, step)
        Path("model").mkdir()
        Path("model/weights").write_bytes(b"1234")
        run.log_folder(Path("model"), "model")
    outbox = find_outbox(run.id)
    assert not list(outbox.unsent_lines()), (outbox.folder / "sender.log").read_text()
    (sent,) = runs_of(client, outbox)
    assert sent.info.status == "FINISHED"
    assert sent.data.params["data.name"] == "demo"
    assert len(client.get_metric_history(sent.info.run_id, "train/loss")) == 100
    assert [file.path for file in client.list_artifacts(sent.info.run_id, "model")] == ["model/weights"]


def test_a_machine_whose_runs_are_sent_from_another_one_starts_no_sender(client, monkeypatch):
    monkeypatch.setenv(sender_process.LATER_VARIABLE, "1")
    with runs.open_run(params.load(ROOT / "params.yaml"), "later") as run:
        run.log_metrics({"train/loss": 1.0}, 0)
    outbox = find_outbox(run.id)
    assert not (outbox.folder / "sender.log").exists()
    assert outbox.sent() == (None, 0)
    Sender(outbox).send()
    assert [run.info.status for run in runs_of(client, outbox)] == ["FINISHED"]
