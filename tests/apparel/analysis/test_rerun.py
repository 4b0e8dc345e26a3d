import os
import shutil
import signal
import subprocess
import sys
import time
from argparse import Namespace

import psutil
import pytest

from apparel.analysis import rerun
from apparel.cli import verify
from apparel.errors import UserError
from apparel.versioning import dvc_lock
from tests.support import project_copy, three_stage_project


@pytest.fixture
def shop(three_stages_run, tmp_path, monkeypatch):
    """A copy of a project that ran, as the current folder."""
    folder = shutil.copytree(three_stages_run, tmp_path / "shop")
    monkeypatch.chdir(folder)
    return folder


def ask(stage=None, dry_run=False):
    return Namespace(stage=stage, yes=True, dry_run=dry_run)


def everything(folder) -> dict[str, bytes]:
    """All files of the project but those that DVC and the command write for themselves."""
    own = (".dvc/tmp", ".git/", ".apparel/verify.json", ".apparel/verify.lock")
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if not name.startswith(own)}


def make_random(folder) -> None:
    """Makes the output of train random, and runs the project once."""
    work = folder / "stages" / "work.py"
    changed = three_stage_project.WORK.replace(
        'text += str(params["train"]["seed"])', "import uuid; text += str(uuid.uuid4())"
    )
    work.write_text(changed, encoding="utf-8")
    three_stage_project.dvc(folder, "repro", "--quiet")


def test_equal_outputs_are_reported_as_equal(shop, capfd):
    before = everything(shop)
    verify.main(ask())
    assert "all 5 outputs came out the same" in capfd.readouterr().out
    assert everything(shop) == before
    assert rerun.past_durations().keys() == {"all"}


def test_differing_files_are_listed_with_the_first_stage_that_differs(shop, capfd):
    make_random(shop)
    before = everything(shop)
    with pytest.raises(UserError, match="of 5 outputs differ; look for the cause in train"):
        verify.main(ask())
    printed = capfd.readouterr().out
    assert "data/results/train/model" in printed
    assert "weights.txt" in printed
    assert "data/results/eval/detections.csv, as did what it was made from" in printed
    assert "results/convert" not in printed.partition("ran 3 of 3 stages")[2]
    assert everything(shop) == before
    assert not rerun.COPY.exists()


@pytest.mark.slow
def test_one_stage_runs_alone(shop, capfd):
    make_random(shop)
    capfd.readouterr()
    verify.main(ask("eval"))
    printed = capfd.readouterr().out
    assert "all 2 outputs came out the same" in printed
    assert "work.py train" not in printed


def test_a_project_that_changed_since_its_last_run_is_refused(shop):
    (shop / "params.yaml").write_text("data:\n  name: shop\ntrain:\n  seed: 9\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"train.*dvc repro"):
        verify.main(ask())


@pytest.mark.parametrize(("stage", "words"), [("trian", "did you mean 'train'"), ("--all", "no stage")])
def test_an_unknown_stage_is_refused(shop, stage, words):
    with pytest.raises(UserError, match=words):
        rerun.select_stages(dvc_lock.read_workspace(), stage)


def test_a_stage_that_the_pipeline_has_no_more_is_not_run(shop):
    with (shop / "dvc.yaml").open("a", encoding="utf-8") as pipeline:
        pipeline.write("  export:\n    foreach: ${export.formats}\n    do: {cmd: 'true', outs: ['data/${item}']}\n")
    entry = {"cmd": "true", "deps": [], "outs": [{"path": "data/onnx", "md5": "0" * 32}]}
    before = dvc_lock.read_workspace()
    lock = dvc_lock.Lock(None, before.stages | {"export@onnx": entry, "export@tflite": entry})
    with (shop / "params.yaml").open("a", encoding="utf-8") as parameters:
        parameters.write("export:\n  formats: [tflite]\n")
    assert rerun.select_stages(lock, None) == [*before.stages, "export@tflite"]
    assert rerun.select_stages(lock, "export@tflite") == ["export@tflite"]
    with pytest.raises(UserError, match=r"'export@onnx' ran once, but dvc\.yaml"):
        rerun.select_stages(lock, "export@onnx")


def test_without_a_lock_there_is_nothing_to_compare(shop):
    (shop / "dvc.lock").unlink()
    with pytest.raises(UserError, match="dvc repro"):
        verify.main(ask())


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
@pytest.mark.parametrize("name", [pytest.param("SIGINT", marks=pytest.mark.slow), "SIGTERM"])
def test_a_signal_ends_all_of_it_and_leaves_nothing(shop, name):
    sleeps_in_the_copy = "import os, time\nif '.apparel' in os.getcwd():\n    print('sleeping', flush=True)\n"
    work = shop / "stages" / "work.py"
    work.write_text(sleeps_in_the_copy + "    time.sleep(600)\n" + three_stage_project.WORK, encoding="utf-8")
    three_stage_project.dvc(shop, "repro", "--quiet")
    before = everything(shop)
    log = shop.parent / "log"
    # A background process of a shell ignores SIGINT; this one has to receive it as in the foreground.
    code = (
        "import runpy, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "runpy.run_module('apparel', run_name='__main__')\n"
    )
    environment = os.environ | {"PYTHONPATH": str(project_copy.ROOT)}
    with log.open("wb") as out:
        command = [sys.executable, "-c", code, "verify", "--yes"]
        process = subprocess.Popen(command, cwd=shop, stdout=out, stderr=out, env=environment)
        while b"sleeping" not in log.read_bytes():
            assert process.poll() is None, log.read_text(encoding="utf-8")
            time.sleep(0.1)
        process.send_signal(getattr(signal, name))
        assert process.wait() == 130, log.read_text(encoding="utf-8")
    assert everything(shop) == before
    assert not (shop / rerun.COPY).exists()
    folders = [process.info["cwd"] or "" for process in psutil.process_iter(["cwd"])]
    assert not [folder for folder in folders if folder.startswith(str(shop / rerun.COPY))]
