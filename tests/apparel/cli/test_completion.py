import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from apparel import cli

ROOT = Path(__file__).parents[3]


def script(shell: str) -> str:
    """What `apparel completion SHELL` prints; the options of all commands need no library that takes long to import."""
    code = (
        f"import runpy, sys; sys.argv[1:] = ['completion', '{shell}'];"
        "runpy.run_module('apparel', run_name='__main__');"
        "assert not {'tensorflow', 'mlflow', 'object_detection', 'numpy', 'pandas', 'pydantic'} & sys.modules.keys()"
    )
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def bash(tmp_path_factory) -> Path:
    """A file with the script for bash."""
    if not shutil.which("bash"):
        pytest.skip("needs bash")
    path = tmp_path_factory.mktemp("completion") / "apparel.bash"
    path.write_text(script("bash"), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["apparel", ""], set(cli.COMMANDS)),
        (["apparel", "in"], {"inspect"}),
        (["apparel", "--v"], {"--version"}),
        (["apparel", "sweep", "--dry"], {"--dry-run"}),
        (["apparel", "completion", ""], {"bash", "zsh"}),
        (["apparel", "inspect", "demo", "--html", "pyp"], {"pyproject.toml"}),
    ],
)
def test_bash_completes(typed, words, bash):
    code = (
        'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shtab_apparel;printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", code, "bash", str(bash), *typed], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert words <= set(done.stdout.split())
    assert len(typed[-1]) == 0 or set(done.stdout.split()) == words
    assert not done.stderr


def test_zsh_is_told_every_command_and_what_it_does():
    lines = script("zsh").replace("'\"'\"'", "'").splitlines()
    assert lines[0] == "#compdef apparel"
    for name, (_, summary) in cli.COMMANDS.items():
        assert any(line.strip().startswith(f"{name}:'{summary[:20]}") for line in lines), name
