"""`apparel import` that was killed at any step: the next one finishes or undoes it."""

import multiprocessing
import os
import shutil
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from apparel import paths
from apparel.data.ingest import recovery, staging
from tests.support import import_project
from tests.support.import_project import run, state, write_shop


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project of git and DVC, with a source beside it."""
    return import_project.make(tmp_path, monkeypatch)


SLOW_TO_LOAD = {
    "dulwich",
    "dvc",
    "dvc_data",
    "dvc_render",
    "fsspec",
    "networkx",
    "numpy",
    "pandas",
    "PIL",
    "rich",
    "scmrepo",
}
WORDS = ("../shop.zip", "--name", "shop")


def killed_import(folder, nth, words, counted):
    """Runs an import that is killed before its nth change of a file."""
    os.chdir(folder)
    left = [nth]

    def watch(event, arguments):
        if event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.copyfile") or (
            event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wxa")
        ):
            left[0] -= 1
            counted.value += 1
            if left[0] == 0:
                os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        sys.addaudithook(watch)
        run(*words)


def kill(folder, nth, *words):
    """Runs and kills a real import; returns its exit status and how many steps it took."""
    context = multiprocessing.get_context("forkserver" if hasattr(os, "fork") else "spawn")
    if hasattr(os, "fork"):  # slow modules are loaded once, not by each process
        context.set_forkserver_preload([name for name in sys.modules if name.partition(".")[0] in SLOW_TO_LOAD])
    counted = context.Value("i", 0)
    process = context.Process(target=killed_import, args=(folder, nth, words, counted))
    process.start()
    process.join()
    return process.exitcode, counted.value


@pytest.mark.parametrize(
    ("replace", "points"),
    [(True, 3), *(pytest.param(replace, 25, marks=pytest.mark.slow) for replace in (False, True))],
)
def test_an_import_that_was_killed_is_finished_or_undone_by_the_next(project, replace, points):
    run(*WORDS)
    complete = state()
    shutil.rmtree(paths.DATA)
    if replace:
        write_shop(project.parent / "old.zip", photos=3)
        run("../old.zip", "--name", "shop")
    old, words = state() if replace else {}, (*WORDS, *["--replace"] * replace)
    shutil.copytree(project, project.parent / "start")
    status, steps = kill(project, 0, *words)
    assert status == 0 and state() == complete and steps > points
    undisturbed = 0
    for nth in {1 + step * steps // points for step in range(points)}:
        shutil.rmtree(paths.DATA)
        shutil.copytree(project.parent / "start" / "data", paths.DATA) if replace else paths.DATA.mkdir()
        undisturbed += kill(project, nth, *words)[0] == 0
        with staging.import_lock():
            recovery.recover_imports()
        recovered = state()
        expected = complete if recovered.get("shop/photos/3.png") else old
        assert recovered.keys() == expected.keys(), f"killed at step {nth} of {steps}"
        assert recovered == expected, f"killed at step {nth} of {steps}"
    assert undisturbed <= points / 4  # later ones take fewer steps: DVC has the content already
