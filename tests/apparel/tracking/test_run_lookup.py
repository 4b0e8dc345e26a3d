"""An outbox's run in MLflow: one, whatever a search has answered before."""

from pathlib import Path

import pytest

from apparel.tracking.outbox import Outbox
from apparel.tracking.run_lookup import ID_TAG, Gone, find_or_create, is_gone
from apparel.tracking.server import LOCAL_SERVER, connect
from tests.support.outboxes import new_outbox, runs_of


@pytest.fixture
def client(mlflow_folder, monkeypatch):
    monkeypatch.chdir(mlflow_folder)
    return connect(LOCAL_SERVER)


def send_nothing(outbox: Outbox):
    raise AssertionError("there is no other outbox")


def test_a_second_run_that_a_false_search_led_to_is_deleted(client):
    outbox = new_outbox()
    first = find_or_create(client, outbox, send_nothing)
    client.log_metric(first, "train/loss", 1.0)
    experiment = client.get_experiment_by_name("demo").experiment_id
    client.create_run(experiment, 1000, {ID_TAG: outbox.id})
    assert find_or_create(client, outbox, send_nothing) == first
    assert [run.info.run_id for run in runs_of(client, outbox)] == [first]


def test_two_runs_with_data_are_not_decided_upon(client):
    outbox = new_outbox()
    client.log_metric(find_or_create(client, outbox, send_nothing), "train/loss", 1.0)
    experiment = client.get_experiment_by_name("demo").experiment_id
    client.log_metric(client.create_run(experiment, 1000, {ID_TAG: outbox.id}).info.run_id, "train/loss", 1.0)
    with pytest.raises(Exception, match=f"2 runs with the tag {ID_TAG} = {outbox.id}"):
        find_or_create(client, outbox, send_nothing)
    assert len(runs_of(client, outbox)) == 2


def test_a_missing_run_is_gone_and_the_way_out_is_named(client):
    outbox = new_outbox(run="f" * 32)
    assert is_gone(client, "f" * 32) and is_gone(client, "no/id")
    with pytest.raises(Gone, match=f"run f.*apparel sync --as-new {outbox.id[:8]}.*apparel sync --to") as error:
        find_or_create(client, outbox, send_nothing)
    assert error.value.changes["replaces"] == "f" * 32


def test_artifacts_of_the_local_store_stay_with_the_project(client):
    run = find_or_create(client, new_outbox(experiment="shop"), send_nothing)
    assert not Path(client.get_run(run).info.artifact_uri).is_absolute()
