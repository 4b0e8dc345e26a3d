"""Runs whose server lacks what they belong to, or that go to another server; all stores are SQLite files."""

import argparse
import shutil
from pathlib import Path

import pytest

from apparel import params
from apparel.cli import sync
from apparel.errors import UserError
from apparel.tracking import runs
from apparel.tracking.outbox import OUTBOXES, find_outbox
from apparel.tracking.run_lookup import PARENT_TAG, REPLACES_TAG
from apparel.tracking.server import LOCAL_SERVER, connect
from tests.support.outboxes import add_file, check_whole, fill, new_outbox
from tests.support.repository import ROOT
from tests.support.silent_sender import Nobody

ELSEWHERE = "f" * 32
"""MLflow's id of a run that no store here has."""

OTHER = "sqlite:///other.db"


@pytest.fixture(scope="module")
def project(mlflow_folder, empty_mlflow_database):
    shutil.copy(empty_mlflow_database, mlflow_folder / "other.db")
    return mlflow_folder


@pytest.fixture(autouse=True)
def here(project, monkeypatch):
    monkeypatch.chdir(project)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.rmtree(OUTBOXES, ignore_errors=True)


@pytest.fixture
def client(here):
    return connect(LOCAL_SERVER)


def apparel_sync(*names, **options):
    defaults = {"dry_run": False, "to": None, "as_new": False, "leave_out": False}
    sync.main(argparse.Namespace(runs=names, **defaults | options))


def refused(capsys):
    """What `apparel sync` says of a run that it cannot send."""
    with pytest.raises(UserError, match="1 run waits still"):
        apparel_sync()
    return capsys.readouterr().out


def test_a_run_of_another_server_is_sent_as_a_new_run(client, capsys):
    outbox = new_outbox(run=ELSEWHERE)
    fill(outbox)
    said = refused(capsys)
    assert f"does not have run {ELSEWHERE}" in said and f"apparel sync --as-new {outbox.id[:8]}" in said
    assert "apparel sync --to ADDRESS" in said
    apparel_sync(outbox.id[:8], as_new=True)
    run = check_whole(client, find_outbox(outbox.id))
    assert run.data.tags[REPLACES_TAG] == f"run {ELSEWHERE}"
    apparel_sync()
    assert "Nothing waits" in capsys.readouterr().out


def test_what_belongs_to_one_missing_run_stays_together(client):
    first, second = new_outbox(run=ELSEWHERE), new_outbox(run=ELSEWHERE, start=2000)
    fill(first)
    add_file(second, "2.png", "more")
    apparel_sync(as_new=True)
    run = check_whole(client, first)
    assert find_outbox(second.id).sent()[0] == run.info.run_id
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["2.png", "pictures"]


def test_the_next_stage_finds_the_new_run_by_the_id_that_was_given(client, monkeypatch):
    monkeypatch.setattr(runs, "SenderProcess", Nobody)
    monkeypatch.setenv("MLFLOW_RUN_ID", ELSEWHERE)
    config = params.load(ROOT / "params.yaml")
    with runs.open_run(config, "key") as trained:
        trained.log_metrics({"train/loss": 1.0})
    apparel_sync(as_new=True)
    with runs.attach_run(ELSEWHERE, config) as attached:
        attached.log_metrics({"test/mAP50": 0.5})
    assert attached.id == trained.id
    apparel_sync()
    run = client.get_run(find_outbox(trained.id).sent()[0])
    assert run.data.tags[REPLACES_TAG] == f"run {ELSEWHERE}"
    assert run.data.metrics == {"train/loss": 1.0, "test/mAP50": 0.5}


def test_a_given_run_that_was_deleted_is_replaced_only_when_asked(client, capsys):
    given = client.create_run(client.create_experiment("deleted run")).info.run_id
    client.delete_run(given)
    outbox = new_outbox(run=given)
    fill(outbox)
    assert f"does not have run {given}" in refused(capsys)
    apparel_sync(as_new=True)
    assert check_whole(client, outbox).data.tags[REPLACES_TAG] == f"run {given}"


def test_a_missing_parent_becomes_a_tag(client, capsys):
    outbox = new_outbox(parent=ELSEWHERE)
    fill(outbox)
    assert f"does not have run {ELSEWHERE}, under which it is to be shown" in refused(capsys)
    apparel_sync(as_new=True)
    tags = check_whole(client, outbox).data.tags
    assert tags[PARENT_TAG] == ELSEWHERE and "mlflow.parentRunId" not in tags


def test_a_run_of_a_deleted_experiment_goes_to_another(client, capsys):
    client.delete_experiment(client.create_experiment("shop"))
    outbox = new_outbox(experiment="shop")
    fill(outbox)
    assert "does not have experiment 'shop', since it was deleted there" in refused(capsys)
    apparel_sync(as_new=True)
    check_whole(client, find_outbox(outbox.id))
    assert find_outbox(outbox.id).header.experiment == "shop-2"


def test_an_experiment_whose_name_is_refused_gets_another(client, capsys):
    outbox = new_outbox(experiment="x" * 600)
    fill(outbox)
    assert "and refuses its name" in refused(capsys)
    apparel_sync(as_new=True)
    check_whole(client, find_outbox(outbox.id))


@pytest.mark.parametrize("name", ["no/run", "it's", "x y"])
def test_an_id_that_is_none_has_the_same_way_out(client, capsys, name):
    outbox = new_outbox(run=name)
    fill(outbox)
    assert "apparel sync --as-new" in refused(capsys)
    apparel_sync(as_new=True)
    check_whole(client, find_outbox(outbox.id))


def test_as_new_makes_no_new_run_where_the_server_has_all(client):
    outbox = new_outbox()
    fill(outbox)
    apparel_sync(as_new=True)
    outbox.append("metrics", {"late": 1.0})
    apparel_sync(as_new=True)
    assert REPLACES_TAG not in check_whole(client, outbox).data.tags


def test_a_run_goes_to_another_server_with_the_files_that_its_own_has(client, monkeypatch, capsys):
    outbox = new_outbox()
    fill(outbox)
    apparel_sync()
    first = outbox.sent()[0]
    outbox.append("metrics", {"late": 1.0})
    apparel_sync(to=OTHER)
    assert f"export MLFLOW_TRACKING_URI={OTHER}" in capsys.readouterr().out
    moved = find_outbox(outbox.id)
    run = check_whole(connect(OTHER), moved)
    assert run.data.tags[REPLACES_TAG] == f"run {first} of {LOCAL_SERVER}" and run.data.metrics["late"] == 1.0
    assert Path(connect(OTHER).download_artifacts(run.info.run_id, "pictures/best/1.png")).read_text() == "picture"
    check_whole(client, outbox)  # what was there stays there


def test_a_file_that_only_a_lost_server_had_is_named(client, capsys):
    outbox = new_outbox()
    fill(outbox)
    apparel_sync()
    outbox.send_anew(server=OTHER, origin="http://127.0.0.1:1")
    said = refused(capsys)
    assert "missing: MLflow does not have file pictures/best/1.png" in said and "127.0.0.1" in said
    apparel_sync(leave_out=True)
    apparel_sync()


def test_a_deleted_run_is_sent_again_with_its_files(client):
    outbox = new_outbox()
    fill(outbox)
    apparel_sync()
    client.delete_run(outbox.sent()[0])
    outbox.append("metrics", {"late": 1.0})
    apparel_sync()
    check_whole(client, outbox)


def test_nothing_moves_to_where_nothing_answers(client, capsys):
    outbox = new_outbox(server="http://127.0.0.1:1")
    fill(outbox)
    with pytest.raises(UserError, match="1 run waits still"):
        apparel_sync(to="http://me:p4ss@w0rd@127.0.0.1:2")
    assert find_outbox(outbox.id).header == outbox.header
    said = capsys.readouterr().out
    assert "w0rd" not in said and "export" not in said


def test_an_unknown_run_is_named(client):
    with pytest.raises(UserError, match="'nobody'"):
        apparel_sync("nobody")
