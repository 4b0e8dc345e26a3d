import subprocess
import sys

import pytest

from apparel import __main__ as entry
from apparel.errors import UserError

HEAVY = {"tensorflow", "mlflow", "pandas", "numpy", "object_detection", "matplotlib", "dvc", "optuna"}


def test_help_lists_every_command_and_imports_nothing_heavy():
    script = (
        "import runpy, sys; sys.argv[1:] = ['--help']; runpy.run_module('apparel', run_name='__main__');"
        "print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    for name, module in entry.commands().items():
        assert f"  {name} " in done.stdout
        assert entry.summary(module) in done.stdout
    assert not HEAVY & set(done.stderr.split())


def test_unknown_command_names_the_nearest(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["apparel", "plot"])
    with pytest.raises(UserError, match="did you mean 'plots'"):
        entry.main()


@pytest.mark.parametrize("name", entry.commands())
def test_each_command_teaches_with_an_example(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["apparel", name, "--help"])
    with pytest.raises(SystemExit) as stop:
        entry.main()
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert f"usage: python -m apparel {name}" in shown
    assert f"python -m apparel {name}" in shown.partition("\n\n")[2], "no example"


def test_a_reader_that_has_seen_enough_is_no_error_to_speak_of():
    command = [sys.executable, "-m", "apparel", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1
