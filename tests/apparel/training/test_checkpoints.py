"""Folders of checkpoints: one training at a time, a key of all that changes the weights, and what is removed when."""

from pathlib import Path

import pytest

from apparel import params, paths
from apparel.errors import Pruned, UserError
from apparel.params import Params
from apparel.training import bucket_checkpoints, checkpoints
from apparel.training.checkpoints import checkpoint_folder, code_files, training_key
from apparel.utils import files, locking
from tests.support import memory_bucket
from tests.support.repository import ROOT

DVC_YAML = """
stages:
  train:
    cmd: python -m stages.train
    deps:
      - configs/ssd_mobilenet_v1.config
      - data/results/tfrecord
      - apparel/models
      - apparel/training/loop.py
      - stages/train.py
"""
CODE = ("apparel/models/detector.py", "apparel/models/tfod/model.py", "apparel/training/loop.py", "stages/train.py")
OTHERS = ("apparel/training/progress.py", "apparel/tracking/runs.py", "apparel/models/__pycache__/detector.pyc")


def _project(folder: Path, code: str = "code") -> Path:
    files.write_text(folder / "dvc.yaml", DVC_YAML)
    for name in (*CODE, *OTHERS, "configs/ssd_mobilenet_v1.config", "data/results/tfrecord/index.json"):
        files.write_text(folder / name, f"{code} of {name}")
    return folder


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, which is the current folder, and its state."""
    monkeypatch.chdir(_project(tmp_path / "project"))
    monkeypatch.delenv(paths.STUDY_VARIABLE, raising=False)
    monkeypatch.setattr(paths, "LOCAL", Path(".apparel"))
    bucket_checkpoints.of.cache_clear()  # all tests have one folder `key`
    return tmp_path / "project"


@pytest.fixture
def config() -> Params:
    return params.load(ROOT / "params.yaml")


def _kill_training(key: str) -> Path:
    """A training that was killed at its first checkpoint."""
    with pytest.raises(KeyboardInterrupt), checkpoint_folder(key) as folder:
        files.write_text(folder / "latest" / "ckpt-1.index", "weights")
        raise KeyboardInterrupt
    return folder.absolute()


def _train(key: str = "another training") -> None:
    with checkpoint_folder(key):
        pass


def _enter_copy(project: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """As in a copy of the project, in which DVC runs an experiment or a worker a trial."""
    monkeypatch.chdir(_project(folder, code))
    monkeypatch.setattr(paths, "LOCAL", project / ".apparel")


def test_the_same_training_twice_at_once_is_refused(project: Path) -> None:
    with checkpoint_folder("key") as folder:
        with pytest.raises(UserError, match="under way"), checkpoint_folder("key"):
            pass
        assert folder.is_dir()
    assert not folder.exists()


def test_a_killed_training_finds_its_checkpoints_and_a_pruned_one_leaves_none(project: Path) -> None:
    folder = _kill_training("key")
    with pytest.raises(Pruned), checkpoint_folder("key") as again:
        assert (again / "latest" / "ckpt-1.index").is_file()
        raise Pruned
    assert not folder.exists()


def test_a_bucket_brings_checkpoints_and_loses_them_with_the_folder(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = memory_bucket.make(monkeypatch)
    monkeypatch.setenv(bucket_checkpoints.VARIABLE, address)
    with pytest.raises(KeyboardInterrupt), checkpoint_folder("key") as folder:
        files.write_text(folder / "latest" / "checkpoint", "state")
        files.write_text(folder / "latest" / "ckpt-7.index", "weights")
        bucket_checkpoints.of(folder).send(7)
        raise KeyboardInterrupt
    bucket_checkpoints.of(folder)._sender.wait()
    files.remove_tree(folder)  # as on another machine
    _train("other")
    with pytest.raises(Pruned), checkpoint_folder("key") as folder:
        assert (folder / "latest" / "ckpt-7.index").read_text(encoding="utf-8") == "weights"
        raise Pruned
    assert memory_bucket.files(address) == {}


def test_the_code_is_that_of_the_stage_with_whole_folders(project: Path) -> None:
    assert [file.as_posix() for file in code_files(Path())] == sorted(CODE)
    (project / "dvc.yaml").unlink()
    assert code_files(Path()) == []


def test_the_projects_own_list_has_the_loop_and_no_tracking() -> None:
    names = {file.relative_to(ROOT).as_posix() for file in code_files(ROOT)}
    assert {"apparel/training/loop.py", "apparel/models/detector.py", "stages/train.py"} <= names
    assert not {"apparel/training/progress.py", "apparel/tracking/runs.py", "apparel/evaluation/report.py"} & names


@pytest.mark.parametrize("name", [*CODE, "configs/ssd_mobilenet_v1.config", "data/results/tfrecord/index.json"])
def test_what_changes_the_weights_changes_the_key(project: Path, config: Params, name: str) -> None:
    before = training_key(config)
    assert training_key(config) == before
    (project / name).write_text("edited")
    assert training_key(config) != before


def test_parameters_and_classes_change_the_key(project: Path, config: Params) -> None:
    section = config.train.model_copy(update={"seed": 7})
    data = config.data.model_copy(update={"classes": config.data.classes[::-1]})
    changed = [config, config.model_copy(update={"train": section}), config.model_copy(update={"data": data})]
    assert len({training_key(each) for each in changed}) == 3


@pytest.mark.parametrize("name", OTHERS)
def test_what_changes_no_weights_keeps_the_key(project: Path, config: Params, name: str) -> None:
    before = training_key(config)
    (project / name).write_text("edited")
    assert training_key(config) == before


def test_checkpoints_of_other_code_are_removed(project: Path) -> None:
    folder = _kill_training("key")
    (project / CODE[0]).write_text("edited")
    _train()
    assert not folder.exists()


def test_checkpoints_that_nothing_says_the_code_of_are_removed(project: Path) -> None:
    folder = _kill_training("key")
    (folder / checkpoints.MADE_BY).unlink()
    _train()
    assert not folder.exists()


@pytest.mark.parametrize("name", [*OTHERS, "params.yaml", "data/results/tfrecord/index.json"])
def test_checkpoints_stay_where_params_data_or_other_code_changed(project: Path, name: str) -> None:
    folder = _kill_training("key")
    files.write_text(project / name, "edited")
    _train()
    assert (folder / "latest" / "ckpt-1.index").is_file()


def test_checkpoints_of_a_training_that_runs_stay(project: Path) -> None:
    folder = _kill_training("key")
    (project / CODE[0]).write_text("edited")
    with locking.only_one(folder.with_suffix(".lock"), ""):
        _train()
    assert folder.is_dir()


def test_checkpoints_stay_while_dvc_yaml_cannot_be_read(project: Path) -> None:
    folder = _kill_training("key")
    for content in ("stages: [", "stages: {}"):
        (project / "dvc.yaml").write_text(content)
        checkpoints.remove_abandoned()
    (project / "dvc.yaml").unlink()
    _train()
    assert folder.is_dir()


def test_an_experiment_of_another_revision_keeps_those_of_the_project(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = _kill_training("key")
    _enter_copy(project, tmp_path / "experiment", monkeypatch, code="older code")
    older = _kill_training("older key")
    _train()
    assert own.is_dir() and older.is_dir()
    monkeypatch.chdir(project)
    _train()
    assert own.is_dir() and not older.exists()


def test_a_killed_trial_of_a_sweep_keeps_its_checkpoints_whatever_is_edited(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".apparel" / "sweeps" / "study").mkdir(parents=True)
    _enter_copy(project, tmp_path / "worker-0", monkeypatch, code="code of when the sweep began")
    monkeypatch.setenv(paths.STUDY_VARIABLE, "study")
    trial = _kill_training("trial")
    monkeypatch.delenv(paths.STUDY_VARIABLE)
    monkeypatch.chdir(project)
    _train()
    assert trial.is_dir()
    (project / ".apparel" / "sweeps" / "study").rmdir()
    _train()
    assert not trial.exists()


def test_a_sweep_keeps_a_killed_training_of_the_project(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = _kill_training("key")
    _enter_copy(project, tmp_path / "worker-0", monkeypatch, code="code of when the sweep began")
    monkeypatch.setenv(paths.STUDY_VARIABLE, "study")
    _train("trial")
    assert own.is_dir()


def test_what_a_sweep_needs_stays_so_when_another_training_resumed_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".apparel" / "sweeps" / "study").mkdir(parents=True)
    monkeypatch.setenv(paths.STUDY_VARIABLE, "study")
    folder = _kill_training("key")
    monkeypatch.delenv(paths.STUDY_VARIABLE)
    _kill_training("key")
    (project / CODE[0]).write_text("edited")
    _train()
    assert folder.is_dir()
