"""The command line: help, completion, errors in one line and exit status."""

import errno
import os
import subprocess
import sys
import tomllib
from functools import partial

import pytest

from apparel import __main__ as entry
from apparel import cli, errors
from apparel.errors import UserError
from tests.support.repository import ROOT

SHARED = {"arguments", "cloud_jobs", "cloud_submit"}
"""Modules of cli that are no commands: arguments of several, and subcommands of `apparel cloud`."""

HEAVY = {"tensorflow", "mlflow", "pandas", "numpy", "object_detection", "matplotlib", "dvc", "optuna"}


def test_help_lists_every_command_and_imports_nothing_heavy():
    script = (
        "import runpy, sys; sys.argv[1:] = ['--help']; runpy.run_module('apparel', run_name='__main__');"
        "print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    for name, (_, summary) in cli.COMMANDS.items():
        assert f"  {name} " in done.stdout
        assert summary in done.stdout
    assert not HEAVY & set(done.stderr.split())


def test_help_of_no_command_imports_anything_heavy():
    script = (
        "import argparse, sys; from apparel import cli\n"
        "for name in cli.COMMANDS: cli.configure(argparse.ArgumentParser(), name).__name__\n"
        "print(*sys.modules, sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "apparel.cli.ui" in done.stdout.split()
    assert not (HEAVY - {"numpy"}) & set(done.stdout.split())  # the importer of data sets and predict have arrays


def test_every_module_of_cli_is_in_the_table_with_its_help():
    modules = {path.stem for path in (ROOT / "apparel" / "cli").glob("[a-z]*.py")} - SHARED
    assert sorted(module for module, _ in cli.COMMANDS.values()) == sorted(modules)
    assert list(cli.COMMANDS) == sorted(cli.COMMANDS)
    for name, (module, summary) in cli.COMMANDS.items():
        assert module.removesuffix("_data").replace("_", "-") == name
        assert summary.strip()


def test_version_is_that_of_pyproject(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["apparel", "--version"])
    entry.main()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert capsys.readouterr().out == f"apparel {project['version']}\n"


def test_unknown_command_names_the_nearest(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["apparel", "plot"])
    with pytest.raises(UserError, match="did you mean 'plots'"):
        entry.main()


@pytest.mark.parametrize("ask", ["{} --help", "help {}"])
@pytest.mark.parametrize("name", cli.COMMANDS)
def test_each_command_teaches_with_an_example(name, ask, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["apparel", *ask.format(name).split()])
    with pytest.raises(SystemExit) as stop:
        entry.main()
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert f"usage: apparel {name}" in shown
    assert f"apparel {name}" in shown.partition("\n\n")[2], "no example"


def test_a_closed_pipe_ends_without_a_message():
    command = [sys.executable, "-m", "apparel", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.parametrize(
    "module",
    [
        "stages.convert",
        "stages.split",
        "stages.tfrecord",
        pytest.param("stages.train", marks=pytest.mark.slow),  # imports TensorFlow
        pytest.param("stages.eval", marks=pytest.mark.slow),
    ],
)
def test_a_stage_says_what_it_does_and_takes_no_arguments(module, tmp_path):
    """In an empty folder, where a stage that began its work would stop."""
    run = partial(
        subprocess.run, cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    helped = run([sys.executable, "-m", module, "--help"])
    assert helped.returncode == 0 and f"usage: python -m {module}" in helped.stdout
    refused = run([sys.executable, "-m", module, "-S", "train.epochs=1"])
    assert refused.returncode == 2 and "unrecognized arguments: -S" in refused.stderr


def test_characters_that_a_pipe_cannot_take_are_replaced():
    script = "from apparel import errors; errors.run(lambda: print('IoU \u2265 0.5'))"
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, env=os.environ | {"PYTHONIOENCODING": "cp1252"}
    )
    assert (ran.returncode, ran.stdout.split()) == (0, [b"IoU", b"?", b"0.5"])


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.EFBIG, "File too large", "a"), True),
        (RuntimeError(f"a/b; {os.strerror(errno.EFBIG)}"), True),
        (RuntimeError(f"errno = 28, error message = '{os.strerror(errno.ENOSPC)}'"), True),
        (RuntimeError("413: File too large for this request"), False),
        (OSError(errno.ENOENT, "No such file", "a"), False),
    ],
)
def test_a_full_disk_is_distinguished_from_other_errors(error, full):
    assert errors._disk_is_full(error) == full


def test_a_file_that_cannot_be_written_is_one_line(tmp_path):
    def main():
        (tmp_path / "missing" / "page.html").write_text("")

    with pytest.raises(SystemExit, match=r"error: .*page\.html: No such file or directory"):
        errors.run(main)


def test_a_python_without_the_packages_is_one_line_with_the_remedy():
    command = [sys.executable, "-S", "-m", "apparel", "sync", "--dry-run"]  # -S: without installed packages
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "does not have the package " in done.stderr
    assert "`make setup` installs all, and `source .venv/bin/activate` takes that Python" in done.stderr


def test_a_module_that_is_missing_although_the_packages_are_there_is_no_users_error():
    def fail() -> None:
        raise ModuleNotFoundError("No module named 'x'", name="x")

    with pytest.raises(ModuleNotFoundError):
        entry.installed(fail)


def test_the_front_door_is_open_in_every_folder_of_the_project(monkeypatch, capsys):
    monkeypatch.chdir(ROOT / "configs" / "experiments")
    monkeypatch.setattr(sys, "argv", ["apparel", "run", "--list"])
    entry.main()
    assert any(line.startswith("six ") for line in capsys.readouterr().out.splitlines())


def test_commands_that_work_anywhere_take_no_paths():
    assert set(cli.ANYWHERE) < set(cli.COMMANDS)
    assert not {"import", "inspect", "compare", "trace", "sweep"} & set(cli.ANYWHERE)
