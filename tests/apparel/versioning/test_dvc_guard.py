"""What a killed DVC leaves incomplete is repaired."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from dvc.lock import make_lock
from dvc.utils.serialize import modify_yaml

from apparel.utils import processes
from apparel.versioning import dvc_guard
from tests.apparel.versioning.test_stage import WORK
from tests.support import fast_project, project_copy
from tests.support.dvc_lock_text import PART, WHOLE

RWLOCK = ".dvc/tmp/rwlock"


KILLED_WRITING = """
import io, os, signal, sys
from dvc.utils.serialize import _yaml
complete = _yaml._dump
def part(data, stream):
    if not stream.name.endswith({name!r}):
        return complete(data, stream)
    text = io.StringIO()
    complete(data, text)
    stream.write(text.getvalue()[: {kept}])
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
_yaml._dump = part
from dvc.cli import main
sys.exit(main(["repro", "--single-item", "split"]))
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(dvc_guard, "SECONDS_BETWEEN_LOOKS", 0.1)
    (tmp_path / "data" / "demo").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def other():
    process = psutil.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    with suppress(psutil.NoSuchProcess):  # the guard, here in this process, has taken its exit status
        process.kill()
    process.communicate()


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose pipeline ran as far as split."""
    folder = fast_project.copy(tmp_path_factory.mktemp("cut"))
    done = project_copy.run(folder, "dvc", "repro", "split")
    assert done.returncode == 0, done.stdout
    return folder


def watching(process) -> threading.Thread:
    """The guard at work, once it has seen what lies there."""
    thread = threading.Thread(target=dvc_guard.watch, args=[process], daemon=True)
    thread.start()
    time.sleep(3 * dvc_guard.SECONDS_BETWEEN_LOOKS)
    assert thread.is_alive()
    return thread


def test_dvc_writes_its_lock_in_place():
    """Once this fails, the guard may go."""
    path = Path("dvc.lock")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project_copy.ROOT / "tests")
        patch.setattr("builtins.open", _refuse_writing)
        with pytest.raises(PermissionError, match="in place"), modify_yaml(path) as data:
            data["schema"] = "2.0"


def _refuse_writing(path, mode="r", **_):
    raise PermissionError("in place") if (path, mode) == (Path("dvc.lock"), "w+") else FileNotFoundError(path)


@pytest.mark.parametrize("left", [b"", b"schema: '2", PART, b"\xff\xfe"])
def test_a_broken_lock_is_restored_when_its_writer_has_ended(here, other, left):
    lock = here / "dvc.lock"
    lock.write_text(WHOLE)
    thread = watching(other)
    lock.write_bytes(left)
    time.sleep(2 * dvc_guard.SECONDS_BETWEEN_LOOKS)
    assert lock.read_bytes() == left  # it may still be at work
    other.kill()
    thread.join(timeout=60)
    assert lock.read_text() == WHOLE


def test_a_killed_dvc_wakes_the_guard_at_once(here, other, monkeypatch):
    monkeypatch.setattr(dvc_guard, "SECONDS_BETWEEN_LOOKS", 600)
    thread = threading.Thread(target=dvc_guard.watch, args=[other], daemon=True)
    thread.start()
    time.sleep(0.3)
    (here / "dvc.lock").write_bytes(b"")
    other.kill()
    thread.join(timeout=60)
    assert not thread.is_alive()
    assert not (here / "dvc.lock").exists()


def test_a_broken_lock_is_removed_if_none_was_there_before(here, other):
    thread = watching(other)
    (here / "data" / "demo" / "dvc.lock").write_bytes(b"")
    other.kill()
    thread.join(timeout=60)
    assert not (here / "data" / "demo" / "dvc.lock").exists()


def test_what_another_process_writes_is_left_to_it(here):
    (here / "data" / "demo" / "dvc.lock").write_text(WHOLE)
    with (here / "dvc.lock").open("w") as lock:
        lock.write(WHOLE[:20])
        lock.flush()
        dvc_guard.watch(None)
        lock.write(WHOLE[20:])
    assert (here / "dvc.lock").read_text() == WHOLE


@pytest.mark.parametrize(("name", "guarded", "whole"), [("lock", "dvc.lock", WHOLE), ("rwlock.lock", RWLOCK, "{}")])
def test_what_another_dvc_is_writing_is_left_to_it(here, name, guarded, whole):
    (here / ".dvc" / "tmp").mkdir(parents=True)
    with make_lock(str(here / ".dvc" / "tmp" / name)):
        (here / guarded).write_text("")  # in place: emptied, then written
        thread = watching(None)
        (here / guarded).write_text(whole)
    thread.join(timeout=60)
    assert not thread.is_alive()
    assert (here / guarded).read_text() == whole


def test_the_guard_ends_once_the_lock_is_written(here, other):
    lock = here / "dvc.lock"
    lock.write_text(WHOLE)
    thread = watching(other)
    newer = WHOLE.replace("size: 12\n", "size: 13\n")
    lock.write_text(newer)
    thread.join(timeout=60)
    assert not thread.is_alive()
    assert other.is_running()
    assert lock.read_text() == newer


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_the_guard_ends_the_stage_of_a_killed_dvc_although_the_lock_was_written_meanwhile(here, other):
    script = f"import sys; sys.path.insert(0, {str(project_copy.ROOT)!r})\n{WORK}"
    stage = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert stage.stdout.readline() == "works\n"
    thread = threading.Thread(target=dvc_guard.watch, args=[other, psutil.Process(stage.pid)], daemon=True)
    thread.start()
    (here / "dvc.lock").write_text(WHOLE)  # as by `git checkout`
    time.sleep(5 * dvc_guard.SECONDS_BETWEEN_LOOKS)
    assert thread.is_alive() and stage.poll() is None
    other.kill()
    printed = stage.communicate(timeout=60)[0]
    thread.join(timeout=60)
    assert not thread.is_alive()
    assert "Stopped DVC ended before its stage" in printed
    assert (here / "dvc.lock").read_text() == WHOLE


def test_a_lock_that_was_not_written_stays_as_it_is(here, other):
    (here / "dvc.lock").write_text(WHOLE)
    thread = watching(other)
    other.kill()
    thread.join(timeout=60)
    assert (here / "dvc.lock").read_text() == WHOLE


@pytest.mark.skipif(sys.platform == "win32", reason="starts a POSIX shell")
def test_the_writer_is_found_behind_a_shell():
    script = f"'{sys.executable}' -c 'import os; print(os.getppid(), flush=True); input()'; true"
    shell = subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert int(shell.stdout.readline()) == shell.pid
        assert dvc_guard.dvc_process(shell.pid).pid == os.getpid()
    finally:
        shell.communicate("\n")
    assert dvc_guard.dvc_process(shell.pid) is None


def test_a_broken_rwlock_is_removed(here):
    rwlock = here / ".dvc" / "tmp" / "rwlock"
    rwlock.parent.mkdir(parents=True)
    for left, stays in [('{"read": {}, "write": {}}', True), ('{"read', False), ("", False)]:
        rwlock.write_text(left)
        dvc_guard.watch(None)
        assert rwlock.exists() == stays


@pytest.mark.slow
def test_the_cache_folder_is_that_of_dvc(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments in (["init", "--no-scm", "--quiet"], ["remote", "add", "one", "s3://bucket/%20"]):
        assert project_copy.run(tmp_path, "dvc", *arguments).returncode == 0
    assert dvc_guard.cache_folder().resolve() == tmp_path / ".dvc" / "cache"
    for given in ("../beside", str(tmp_path / "elsewhere")):
        assert project_copy.run(tmp_path, "dvc", "cache", "dir", "--local", given).returncode == 0
        assert dvc_guard.cache_folder().resolve() == Path(
            project_copy.run(tmp_path, "dvc", "cache", "dir").stdout.strip()
        )


def test_an_entry_that_another_process_writes_stays(here):
    written, left = (here / ".dvc" / "cache" / "runs" / "ab" / "cd" / name for name in (".1.tmp", ".2.tmp"))
    written.parent.mkdir(parents=True)
    left.write_text("cmd: one")
    with written.open("w"):
        dvc_guard.watch(None)
        assert written.exists()
    assert not left.exists()
    dvc_guard.watch(None)
    assert not written.parent.exists()  # DVC stumbles over an empty one


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
@pytest.mark.slow
@pytest.mark.parametrize(("name", "kept"), [("dvc.lock", 0), (".tmp", 700)])
def test_dvc_works_after_it_was_killed_while_writing(cut, name, kept):
    project_copy.set_params(cut / "params.yaml", split={"seed": kept + len(name)})
    command = [sys.executable, "-c", KILLED_WRITING.format(name=name, kept=kept)]
    killed = subprocess.run(
        command, cwd=cut, env=processes.with_this_python(os.environ), capture_output=True, text=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    project_copy.wait_for_guards(cut)
    again = project_copy.run(cut, "dvc", "repro", "split")
    assert again.returncode == 0, again.stdout
    assert ("Stage 'split' is cached" in again.stdout) == (name == "dvc.lock")
    assert project_copy.run(cut, "dvc", "status", "--json", "split").stdout.strip() == "{}"


@pytest.mark.skipif(sys.platform == "win32", reason="starts a POSIX shell")
def test_the_launcher_of_a_virtual_environment_on_windows_is_not_taken_for_dvc(tmp_path):
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "__init__.py").touch()  # without it Python takes the installed package of that name
    (tmp_path / "stages" / "train.py").write_text("print(flush=True); input()")
    launcher = subprocess.Popen(
        [sys.executable, "-m", "stages.train"], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        launcher.stdout.readline()
        assert dvc_guard.dvc_process(launcher.pid).pid == os.getpid()
    finally:
        launcher.communicate("\n")
