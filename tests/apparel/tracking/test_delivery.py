"""Whatever answers in place of MLflow's server, at whatever request: all arrives in the end, once."""

import argparse
import logging
import shutil
from pathlib import Path

import pytest

from apparel.cli import sync
from apparel.errors import UserError
from apparel.tracking import model
from apparel.tracking.delivery import DESCRIPTION
from apparel.tracking.outbox import OUTBOXES
from apparel.tracking.sender import Sender
from apparel.tracking.server import connect
from tests.support.hostile_mlflow import ANSWERS, hostile_mlflow
from tests.support.outboxes import add_file, check_whole, fill, new_outbox, runs_of

FOREVER = 10**9

ATTEMPTS = 60
"""More than the requests that a run needs, each of which is answered falsely once or twice."""


@pytest.fixture(scope="module")
def server(mlflow_folder):
    with pytest.MonkeyPatch.context() as patch, hostile_mlflow(mlflow_folder, patch) as running:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        yield running


@pytest.fixture
def address(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "600")  # seconds; the machine may be busy
    monkeypatch.setattr(model, "save", save_quickly)
    server[1].reset()
    yield server[0]
    server[1].reset()


@pytest.fixture
def proxy(server, address):
    return server[1]


def save_quickly(folder, example, target, model_id, run):
    target.mkdir()
    (target / "MLmodel").write_text(model_id)
    shutil.copytree(folder, target / "weights")


def outbox_with_a_model(address):
    outbox = new_outbox(server=address, experiment=Path.cwd().name)
    outbox.append("metrics", {"early": 1.0}, 1)
    copy = outbox.new_file("model")
    (outbox.folder / copy).mkdir()
    (outbox.folder / copy / "1.bin").write_bytes(b"weights")
    outbox.append("model", {"place": copy})
    add_file(outbox, "1.png", "drawing", "pictures/best")  # which `fill` replaces by one of the same size
    fill(outbox)
    return outbox


def send_until_all_is_there(outbox):
    for _ in range(ATTEMPTS):
        try:
            Sender(outbox).send()
        except Exception:  # noqa: BLE001 - whatever MLflow's client makes of the answer
            continue
        if not list(outbox.unsent_lines()):
            return
    raise AssertionError(outbox.held())


def check_all(client, outbox):
    run = check_whole(client, outbox)
    assert len(client.get_metric_history(run.info.run_id, "early")) == 1
    picture = client.download_artifacts(run.info.run_id, "pictures/best/1.png")
    assert Path(picture).read_text() == "picture"
    (stored,) = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'")
    assert stored.status == "READY"
    assert [output.model_id for output in run.outputs.model_outputs] == [stored.model_id]
    files = [
        file.path
        for folder in (None, "weights")
        for file in client.list_logged_model_artifacts(stored.model_id, folder)
    ]
    assert files == ["MLmodel", "weights", "weights/1.bin"]
    assert not list((outbox.folder / "files").iterdir())
    return run


QUICK = {("JSON of another service", False), ("a redirect to a login page", True)}
"""The cases that are always run: one that MLflow's client takes for success, and one of which the answer is lost."""

CASES = [
    pytest.param(answer, passes_on, marks=[] if (answer, passes_on) in QUICK else pytest.mark.slow)
    for answer in ANSWERS
    for passes_on in (False, True)
]


@pytest.mark.parametrize(("answer", "passes_on"), CASES)
def test_each_kind_of_request_is_answered_falsely_at_first(address, proxy, answer, passes_on):
    outbox = outbox_with_a_model(address)
    proxy.reset(answer, times=2, passes_on=passes_on)
    send_until_all_is_there(outbox)
    proxy.reset()
    check_all(connect(address), outbox)
    assert {path.name for path in Path().iterdir()} <= {OUTBOXES.parent.name}  # nothing was "sent" into this folder


def test_what_is_there_is_not_missed_once_its_copy_here_is_gone(address):
    outbox = outbox_with_a_model(address)
    Sender(outbox).send()
    outbox.advance(None, 0)  # as when the record of what was sent is lost
    Sender(outbox).send()
    check_all(connect(address), outbox)
    assert not outbox.held()


@pytest.mark.parametrize("answer", ["a redirect to a login page", "too large"])
def test_what_is_missing_for_one_reason_is_told_in_one_line(address, proxy, capsys, answer):
    outbox = new_outbox(server=address, experiment=Path.cwd().name)
    for number in range(8):
        add_file(outbox, f"{number}.png", "picture")
    proxy.reset(answer, times=FOREVER, only={"PUT /api/2.0/mlflow-artifacts/artifacts/FILE"})
    with pytest.raises(UserError):
        sync_all()
    printed = capsys.readouterr().out
    assert printed.count("missing: ") == 1 and "file 4.png and 3 more: " in printed


@pytest.mark.parametrize("answer", ["a login page", "an error code alone", "too large"])
def test_a_file_that_a_proxy_does_not_let_through_is_kept_and_holds_nothing_up(address, proxy, answer, capsys):
    outbox = new_outbox(server=address, experiment=Path.cwd().name)
    fill(outbox)
    proxy.reset(answer, times=FOREVER, only={"PUT /api/2.0/mlflow-artifacts/artifacts/FILE"})
    with pytest.raises(UserError, match="1 run waits still"):
        sync_all()
    assert "missing: MLflow does not have file pictures/best/1.png: " in capsys.readouterr().out
    assert [path.read_text() for path in outbox.folder.rglob("1.png")] == ["picture"]
    (run,) = runs_of(connect(address), outbox)
    assert run.info.status == "FINISHED" and run.data.metrics["train/loss"] == 1 / 50
    proxy.reset()
    sync_all()
    check_whole(connect(address), outbox)


@pytest.mark.parametrize("answer", ANSWERS)
def test_nothing_is_sent_or_refused_while_only_something_else_answers(address, proxy, answer, capsys):
    outbox = new_outbox(server=address, experiment=Path.cwd().name)
    add_file(outbox, "1.png", "picture")
    outbox.append("metrics", {"train/loss": 1.0})
    outbox.advance("f" * 32, 0)  # begun while MLflow still answered
    proxy.reset(answer, times=FOREVER)
    with pytest.raises(UserError, match="1 run waits still"):
        sync_all()
    assert "not sent: " in capsys.readouterr().out
    assert (outbox.sent(), outbox.held()) == (("f" * 32, 0), [])
    assert [path.read_text() for path in outbox.folder.rglob("1.png")] == ["picture"]


def test_what_mlflow_refuses_is_kept_alone_and_said_until_it_is_left_out(address, capsys):
    outbox = new_outbox(server=address, experiment=Path.cwd().name)
    outbox.append("tags", {f"tag {number}": "x" for number in range(20)} | {"bad#tag": "x"})
    outbox.append("metrics", {f"m{number}" if number != 5 else "m#5": 1.0 for number in range(20)}, 3)
    for _ in range(2):
        with pytest.raises(UserError, match="1 run waits still"):
            sync_all()
        printed = capsys.readouterr().out
        assert printed.count("missing: ") == 2
        assert "tag bad#tag: MLflow refused it" in printed and "metric m#5: MLflow refused it" in printed
    (run,) = runs_of(connect(address), outbox)
    assert len(run.data.metrics) == 19 and len([tag for tag in run.data.tags if tag.startswith("tag ")]) == 20
    sync_all(leave_out=True)
    assert capsys.readouterr().out.count("left out: ") == 2
    sync_all()
    assert "Nothing waits" in capsys.readouterr().out


def test_a_file_replaced_before_it_could_be_sent_does_not_come_back(address, proxy):
    outbox = new_outbox(server=address, experiment=Path.cwd().name)
    outbox.append("status", {"status": "RUNNING"})
    add_file(outbox, "1.png", "old")
    proxy.reset("too large", times=1, only={"PUT /api/2.0/mlflow-artifacts/artifacts/FILE"})
    Sender(outbox).send()
    assert len(outbox.held()) == 1
    add_file(outbox, "1.png", "new")
    Sender(outbox).send(retry=False)
    Sender(outbox).send()
    assert not list(outbox.unsent_lines())
    (run,) = runs_of(connect(address), outbox)
    assert Path(connect(address).download_artifacts(run.info.run_id, "1.png")).read_text() == "new"


def test_mlflows_file_store_keeps_no_point_twice(address, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    outbox = new_outbox(server=(tmp_path / "mlruns").as_uri())
    fill(outbox)
    copy = shutil.copytree(outbox.folder / "files", outbox.folder / "copy")
    Sender(outbox).send()
    shutil.copytree(copy, outbox.folder / "files", dirs_exist_ok=True)
    outbox.advance(outbox.sent()[0], 0)  # as after a crash between sending and recording that
    Sender(outbox).send()
    check_whole(connect(outbox.header.server), outbox)


def sync_all(**options):
    defaults = {"runs": [], "dry_run": False, "to": None, "as_new": False, "leave_out": False}
    sync.main(argparse.Namespace(**defaults | options))


def describe(outbox, text):
    outbox.append("description", {"text": text, "picture": "pictures/best-01.jpg"})
    Sender(outbox).send()
    (run,) = runs_of(connect(outbox.header.server), outbox)
    return run.info.run_id, run.data.tags[DESCRIPTION]


def test_a_description_shows_a_picture_of_its_run_and_stays_as_a_person_wrote_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outbox = new_outbox()
    run, text = describe(outbox, "first")
    assert text == f"first\n\n![best-01](get-artifact?path=pictures/best-01.jpg&run_uuid={run})"
    assert describe(outbox, "second")[1].startswith("second")
    connect(outbox.header.server).set_tag(run, DESCRIPTION, "seen by Ann: good")
    assert describe(outbox, "third")[1] == "seen by Ann: good"
