"""The run of an unfinished training on another machine: the same run, with all its lines."""

import pytest

from apparel import params
from apparel.tracking import moved_run, runs
from apparel.tracking.outbox import OUTBOXES, all_outboxes, find_outbox
from tests.support import silent_sender
from tests.support.repository import ROOT


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Changes to the folder of a machine."""
    monkeypatch.setattr(runs, "SenderProcess", silent_sender.Nobody)
    monkeypatch.setattr(runs, "_log_origin", lambda run, params: run.log_bytes(b"patch", "changes.patch"))
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "DVC_EXP_NAME", "APPAREL_STUDY", "APPAREL_TRIAL"):
        monkeypatch.delenv(name, raising=False)

    def enter(name):
        (tmp_path / name).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / name)

    enter("first")
    return enter


@pytest.fixture
def config():
    return params.load(ROOT / "params.yaml")


def start(config):
    run = runs.open_run(config, "key")
    run.log_metrics({"train/loss": 1.0}, 1)
    run._outbox.advance("mlflow's id", 10)
    return run


def test_a_training_goes_on_with_its_run_on_another_machine(config, machine):
    run = start(config)
    before = list(run._outbox.lines())
    content = moved_run.pack("key")
    machine("second")
    moved_run.unpack("key", content)
    again = runs.open_run(config, "key")
    again.log_metrics({"train/loss": 1.0}, 1)  # the resumed training repeats a step
    again.log_metrics({"train/loss": 0.5}, 2)
    assert again.id == run.id
    outbox = find_outbox(run.id)
    lines = list(outbox.lines())
    assert lines[: len(before)] == before
    assert [line.step for line in lines if line.kind == "metrics"] == [1, 2]
    assert outbox.sent() == ("mlflow's id", 10)
    patch = next(line.values["place"] for line in lines if line.kind == "file")
    assert (outbox.folder / patch).read_bytes() == b"patch"


def test_a_machine_that_has_a_run_of_the_training_keeps_it(config, machine):
    start(config)
    content = moved_run.pack("key")
    machine("second")
    own = start(config)
    moved_run.unpack("key", content)
    assert [outbox.id for outbox in all_outboxes()] == [own.id]
    assert runs.open_run(config, "key").id == own.id


def test_without_a_run_nothing_is_carried(config, machine):
    assert moved_run.pack("key") == {}
    with runs.open_run(config, "key"):
        pass
    assert moved_run.pack("key") == {}
    machine("second")
    moved_run.unpack("key", {})
    assert all_outboxes() == []


@pytest.mark.parametrize(
    "name", ["../../evil", "{run}/../evil", "{run}/files/../evil", "{run}/evil", "0" * 32 + "/run.json", "{run}/lock"]
)
def test_what_no_run_holds_is_not_written(config, machine, tmp_path, name):
    run = start(config)
    content = moved_run.pack("key")
    machine("second")
    moved_run.unpack("key", content | {name.format(run=run.id): b"evil"})
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.read_bytes() == b"evil"]
    assert written == []
    assert (OUTBOXES / run.id / "run.json").is_file()
    moved_run.unpack("other", {moved_run.RECORD: b"../evil", "../evil": b"evil"})
    assert len(all_outboxes()) == 1
