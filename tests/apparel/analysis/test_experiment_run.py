import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from apparel.analysis import experiment_run, run_checks
from apparel.errors import UserError
from tests.support.repository import ROOT

STAGES = ["check", "convert", "split", "tfrecord", "train", "eval"]

GIT = ("git", "-c", "user.name=test", "-c", "user.email=test@localhost")

DVC = """
import os, subprocess, sys
print(sys.argv[1:], flush=True)
subprocess.run(["python", "-c", "import sys; print(sys.executable)"], check=True)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("child", child.pid, flush=True)
if "fail" in sys.argv:
    child.kill()
    sys.exit(7)
child.wait()
"""
"""Stands for DVC with a stage that it started."""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """params.yaml and the recipes in a git repository, without data."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    for none in ("data/pretrained/none", "data/unlabelled/none"):
        shutil.copytree(ROOT / none, tmp_path / none)
    (tmp_path / "data" / "demo").mkdir()
    for name in ("params.yaml", "dvc.yaml", "data/demo/dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "project"]):
        subprocess.run([*GIT, *command], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_checks, "convert_data_set", lambda *arguments, **options: None)
    return tmp_path


def import_all(project: Path) -> None:
    for name in ("apparel/lists/one_class", "apparel/photos", "apparel/annotations", "pretrained/coco"):
        (project / "data" / name).mkdir(parents=True)
    for name in ("test_labels.csv", "train_labels.csv"):
        (project / "data" / "apparel" / "lists" / name).write_text("filename\na.jpg\n")


def test_an_override_wins_over_the_recipe_and_is_named_once(project):
    run = experiment_run.prepare("six", None, ["train.epochs=2", "eval.pictures=0"], force=False)
    assert [word for word in run.command if word.startswith("train.epochs")] == ["train.epochs=2"]
    assert run.command[-1] == "eval.pictures=0"
    assert (run.params.train.epochs, run.params.train.resolution) == (2, 300)


def test_a_wrong_override_names_the_nearest_key(project):
    with pytest.raises(UserError, match=r"-S train\.epoch=2: .* did you mean train\.epochs\?"):
        experiment_run.prepare("six", None, ["train.epoch=2"], force=False)
    with pytest.raises(UserError, match=r"-S: train\.epochs: .*'many'"):
        experiment_run.prepare("six", None, ["train.epochs=many"], force=False)


def test_what_is_not_imported_is_named_with_the_command(project):
    run = experiment_run.prepare("six", None, [], force=False)
    with pytest.raises(
        UserError,
        match=r"first run:\n  apparel import https://\S+ --name apparel .*\n  apparel import .* --name coco\n  git add",
    ):
        run.ready_stages()
    assert "import  apparel import" in run.text()
    other = experiment_run.prepare("six", None, ["data.name=shop", "train.checkpoint=none", "train.freeze=none"], False)
    with pytest.raises(UserError, match=r"no photos 'data/shop'; .* apparel import SOURCE --name shop"):
        other.ready_stages()
    import_all(project)
    assert run.ready_stages() == STAGES
    # the demo is drawn, not imported
    assert experiment_run.prepare(None, None, [], force=False).ready_stages() == STAGES


def test_an_experiment_that_exists_for_this_commit_is_named_with_what_to_do(project):
    import_all(project)
    head = subprocess.run([*GIT, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run([*GIT, "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/six", head], check=True)
    with pytest.raises(UserError, match=r"dvc exp apply six.*--name.*--force"):
        experiment_run.prepare("six", None, [], force=False).ready_stages()
    experiment_run.prepare("six", None, [], force=True).ready_stages()
    experiment_run.prepare("six", "six-2", [], force=False).ready_stages()


def test_values_that_an_earlier_run_left_in_params_yaml_are_named(project):
    text = (project / "params.yaml").read_text(encoding="utf-8")
    changed = text.replace("pictures: 6 ", "pictures: 7 ").replace("epochs: 60 ", "epochs: 61 ")
    (project / "params.yaml").write_text(changed, encoding="utf-8")
    run = experiment_run.prepare("six", None, [], force=False)
    assert run.inherited == ["eval.pictures"]
    assert (
        "takes from it: eval.pictures\nnote    for the committed values, run `git checkout HEAD params.yaml`"
        in run.text()
    )
    assert experiment_run.prepare(None, None, [], force=False).inherited == ["train.epochs", "eval.pictures"]


@pytest.fixture
def dvc(tmp_path):
    """Starts `experiment_run.start` with a stand-in for DVC, in a process of its own."""
    (tmp_path / "dvc").mkdir()
    (tmp_path / "dvc" / "__init__.py").touch()
    (tmp_path / "dvc" / "__main__.py").write_text(DVC, encoding="utf-8")
    started = []

    def start(*arguments: str) -> subprocess.Popen:
        code = (
            # A shell's background jobs ignore SIGINT, and what they start does, too.
            "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
            "from apparel import errors; from apparel.analysis import experiment_run;"
            f"errors.run(lambda: sys.exit(experiment_run.start(['dvc', *{list(arguments)}])))"
        )
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_output_and_exit_status_pass_through_and_python_is_this_one(dvc):
    process = dvc("repro", "fail")
    output = process.stdout.read().splitlines()
    assert process.wait() == 7
    assert output[0] == "['repro', 'fail']"
    assert Path(output[1]).parent == Path(sys.executable).parent


def test_an_interruption_ends_all_that_was_started(dvc):
    process = dvc("repro")
    child = next(int(line.split()[1]) for line in process.stdout if line.startswith("child"))
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    until = time.monotonic() + 10
    while psutil.pid_exists(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not psutil.pid_exists(child)
