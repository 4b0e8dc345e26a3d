"""The lines that a run writes, and which run a stage gets. The sender has its tests in test_sender.py."""

import math
import re
from pathlib import Path

import pytest
from PIL import Image

from apparel import params
from apparel.errors import Pruned
from apparel.tracking import local_runs, runs
from apparel.tracking.outbox import all_outboxes, find_outbox
from tests.support import project_copy, silent_sender
from tests.support.repository import ROOT

TRIAL = ("APPAREL_PARENT_RUN_ID", "APPAREL_STUDY", "APPAREL_TRIAL")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runs, "SenderProcess", silent_sender.Nobody)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME", "DVC_EXP_NAME", *TRIAL):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def config():
    return params.load(ROOT / "params.yaml")


@pytest.fixture
def model():
    Path("model/checkpoint").mkdir(parents=True)
    Path("model/checkpoint/ckpt-0.index").write_bytes(b"weights")
    return Path("model")


def lines(run, kind):
    return [line for line in find_outbox(run.id).lines() if line.kind == kind]


def values(run, kind):
    return {name: value for line in lines(run, kind) for name, value in line.values.items()}


def statuses(run):
    return [line.values["status"] for line in lines(run, "status")]


def test_a_tag_holds_nothing_that_a_database_refuses(config):
    with runs.open_run(config, "k1") as run:
        run.set_tags({"reason": "a\0b\udcffc"})
    assert values(run, "tags")["reason"] == "a\\0b\\udcffc"


def test_no_tag_holds_a_password(config, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:p4ss@w0rd@127.0.0.1:1")
    with runs.open_run(config, "k1") as run:
        run.fail("cannot reach postgresql://me:secret@db/optuna, nor w0rd@127.0.0.1")
    record = "".join(path.read_text() for path in find_outbox(run.id).folder.iterdir() if path.is_file())
    assert "cannot reach postgresql://db/optuna" in record
    assert "secret" not in record and "w0rd" not in record


def test_a_run_has_parameters_tags_and_metrics(config):
    with runs.open_run(config, "k1") as run:
        run.log_metrics({"train/loss": 0.5}, step=7)
    assert values(run, "params")["train.batch_size"] == str(config.train.batch_size)
    assert set(values(run, "params")) == set(config.flat())
    assert values(run, "tags")["version.tensorflow"].startswith("2.")
    assert [(line.step, line.values) for line in lines(run, "metrics")] == [(7, {"train/loss": 0.5})]
    assert statuses(run) == ["RUNNING", "FINISHED"]
    header = find_outbox(run.id).header
    assert (header.server, header.experiment, header.run) == ("sqlite:///mlflow.db", "demo", None)


def test_eval_adds_to_the_run_that_trained_these_weights(config, model):
    with runs.open_run(config, "k1") as trained:
        trained.record_model(model)
    with runs.open_run(config, "k2"):
        pass
    with runs.run_of_model(model, config) as run:
        pass
    assert run.id == trained.id
    assert statuses(run) == ["RUNNING", "FINISHED"] * 2


def test_the_code_of_train_and_the_code_of_eval_have_tags_of_their_own(config, model, folder):
    project_copy.git(folder, "init", "--quiet")
    for name in ("code.py", "dvc.yaml"):
        Path(name).write_text("old")
    project_copy.git(folder, "add", "code.py", "dvc.yaml")
    project_copy.git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "first")
    with runs.open_run(config, "k1") as run:
        run.record_model(model)
    Path("code.py").write_text("new")
    runs.run_of_model(model, config)
    tags = values(run, "tags")
    assert (tags["git.dirty"], tags["eval.git.dirty"]) == ("false", "true")
    assert tags["eval.git.commit"] == tags["mlflow.source.git.commit"]


def test_a_run_without_a_commit_says_why_before_the_training_and_in_its_tags(
    config, model, folder, monkeypatch, capsys
):
    project_copy.git(folder, "init", "--quiet")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    for opened in (lambda: runs.open_run(config, "k1"), lambda: runs.run_of_model(model, config)):
        with opened() as run:
            (line,) = capsys.readouterr().err.splitlines()
            assert f"git config --global --add safe.directory {folder}" in line
            run.record_model(model)
    tags = values(run, "tags")
    assert "safe.directory" in tags["git.gap"] and tags["eval.git.gap"] == tags["git.gap"]
    assert "mlflow.source.git.commit" not in tags and "git.dirty" not in tags


def test_the_latest_training_of_the_same_weights_counts(config, model):
    for _ in range(2):
        with runs.open_run(config, "k1") as trained:
            trained.record_model(model)
    assert runs.run_of_model(model, config).id == trained.id


@pytest.mark.parametrize("change", ["content", "name"])
def test_other_weights_get_another_run_with_a_tag(config, model, change):
    with runs.open_run(config, "k1") as trained:
        trained.record_model(model)
    file = model / "checkpoint" / "ckpt-0.index"
    if change == "content":
        file.write_bytes(b"Weights")
    else:
        file.rename(model / "ckpt-0.index")
    with runs.run_of_model(model, config) as run:
        pass
    assert run.id != trained.id
    assert "elsewhere" in values(run, "tags")["trained"]
    assert set(values(run, "params")) == set(config.flat())
    assert runs.run_of_model(model, config).id == run.id  # and the next eval adds to this one


def test_an_unfinished_training_continues_in_its_run(config):
    killed = runs.open_run(config, "k1")
    for step in range(10):
        killed.log_metrics({"train/loss": 1.0}, step)
    with runs.open_run(config, "k1") as run:
        for step in range(5, 15):  # from the last checkpoint
            run.log_metrics({"train/loss": 1.0, "val/loss": 1.0}, step)
    assert run.id == killed.id
    assert [line.step for line in lines(run, "metrics") if "train/loss" in line.values] == list(range(15))
    assert [line.step for line in lines(run, "metrics") if "val/loss" in line.values] == list(range(5, 15))
    with runs.open_run(config, "k1") as again:  # the same training, forced: a run of its own
        assert again.id != run.id


def test_a_failed_run_has_its_reason_and_is_continued(config):
    with pytest.raises(ZeroDivisionError), runs.open_run(config, "k1") as failed:
        1 / 0  # noqa: B018
    assert statuses(failed) == ["RUNNING", "FAILED"]
    assert values(failed, "tags")["failure"] == "ZeroDivisionError: division by zero"
    assert runs.open_run(config, "k1").id == failed.id


def test_a_pruned_run_is_killed_and_not_continued(config):
    with pytest.raises(Pruned), runs.open_run(config, "k1") as pruned:
        assert local_runs.is_open(pruned.id)
        raise Pruned("pruned at step 40")
    assert statuses(pruned) == ["RUNNING", "KILLED"]
    assert values(pruned, "tags")["pruned"] == "pruned at step 40"
    assert not local_runs.is_open(pruned.id)
    assert runs.open_run(config, "k1").id != pruned.id  # its checkpoints are gone: another training, another run


def test_each_trial_of_a_sweep_has_its_own_run_with_its_number(config, monkeypatch):
    killed = []
    for number in ("3", "4"):
        monkeypatch.setenv("APPAREL_STUDY", "resolution")
        monkeypatch.setenv("APPAREL_TRIAL", number)
        killed.append(runs.open_run(config, "k1"))
    assert values(killed[0], "tags")["optuna.study"] == "resolution"
    assert [values(run, "tags")["optuna.trial"] for run in killed] == ["3", "4"]
    assert killed[0].id != killed[1].id == runs.open_run(config, "k1").id


def test_a_run_is_attached_to_and_ended_by_another_process(config, monkeypatch):
    killed = runs.open_run(config, "k1")
    runs.attach_run(killed.id, config).fail("killed by signal 9")
    assert statuses(killed) == ["RUNNING", "RUNNING", "FAILED"]
    assert not local_runs.is_open(killed.id)
    find_outbox(killed.id).advance("c" * 32, 0)
    assert runs.attach_run("c" * 32, config).id == killed.id  # by MLflow's id
    elsewhere = runs.attach_run("a" * 32, config)  # of another machine
    assert find_outbox(elsewhere.id).header.run == "a" * 32
    monkeypatch.setenv("MLFLOW_RUN_ID", killed.id)
    assert runs.open_run(config, "k2").id == killed.id


def test_adding_files_leaves_the_status_alone(config):
    run = runs.open_run(config, "k1")
    Path("report.html").write_text("<p>found</p>")
    runs.add_files(run.id, config, [Path("report.html")])
    (added,) = [outbox for outbox in all_outboxes() if outbox.id != run.id]
    assert (added.header.run, [line.kind for line in added.lines()]) == (run.id, ["file"])
    assert statuses(run) == ["RUNNING"]


def test_another_server_is_another_run(config, model, monkeypatch):
    with runs.open_run(config, "k1") as here:
        here.record_model(model)
    killed = runs.open_run(config, "k2")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@server")
    assert runs.run_of_model(model, config).id != here.id
    assert runs.open_run(config, "k2").id != killed.id


def test_no_file_of_a_run_holds_the_password_of_its_server(config, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:zq7@wk9@server")
    with runs.open_run(config, "k1") as run:
        pass
    files = [path for path in Path(".apparel").rglob("*") if path.is_file()]
    assert files and not [path for path in files if b"wk9" in path.read_bytes()]
    assert find_outbox(run.id).header.server == "http://server"
    assert runs.open_run(config, "k2").id != run.id


def test_a_run_can_be_given_by_its_id_and_put_under_a_parent(config, model, monkeypatch):
    with runs.open_run(config, "k1") as other:
        other.record_model(model)
    monkeypatch.setenv("MLFLOW_RUN_ID", "a" * 32)
    monkeypatch.setenv("APPAREL_PARENT_RUN_ID", "b" * 32)
    with runs.open_run(config, "k1", name="trial 3") as run:
        run.record_model(model)
    header = find_outbox(run.id).header
    assert (header.run, header.parent, header.name) == ("a" * 32, "b" * 32, "trial 3")
    assert run.id != other.id
    assert runs.run_of_model(model, config).id == run.id


def test_infinite_metrics_become_nan(config):
    run = runs.open_run(config, "k1")
    run.log_metrics({"a": math.inf, "b": -math.inf, "c": math.nan, "d": 1})
    sent = values(run, "metrics")
    assert sent.pop("d") == 1.0
    assert all(math.isnan(value) for value in sent.values()) and len(sent) == 3


def test_files_are_copied_at_once(config):
    Path("pictures/best").mkdir(parents=True)
    Path("pictures/best/1.png").write_bytes(b"before")
    run = runs.open_run(config, "k1")
    run.log_folder(Path("pictures"), "pictures")
    Path("pictures/best/1.png").write_bytes(b"after")
    (line,) = [line for line in lines(run, "file") if line.values["folder"] == "pictures/best"]
    assert Path(find_outbox(run.id).folder, line.values["place"]).read_bytes() == b"before"


def test_many_values_are_split_and_long_ones_cut(config):
    run = runs.open_run(config, "k1")
    run.set_tags({f"tag{number}": "x" * 9000 for number in range(120)})
    assert sum(name.startswith("tag") for name in values(run, "tags")) == 120
    assert max(len(line.values) for line in lines(run, "tags")) <= 50
    assert max(len(value) for value in values(run, "tags").values()) == 5000


def test_pictures_are_named_as_mlflow_steps_through_them(config):
    run = runs.open_run(config, "k1")
    for step in (0, 1, 0):
        run.log_image(Image.new("RGB", (600, 300)), "detections/on test", step)
    files = [Path(line.values["place"]) for line in lines(run, "file") if line.values["folder"] == "images"]
    pattern = r"detections~on test\+step\+([01])\+timestamp\+\d+\+[0-9a-f-]{36}(\.png|\+compressed\.webp)"
    assert all(re.fullmatch(pattern, file.name) for file in files)
    assert len(files) == 6 and len({file.name for file in files}) == 4  # the same step again refiles itself
    small = next(file for file in files if file.suffix == ".webp")
    assert Image.open(find_outbox(run.id).folder / small).size == (256, 128)
    assert values(run, "tags")["mlflow.loggedImages"] == "True"
