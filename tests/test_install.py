"""The command `apparel` of an editable installation, and copies of the project that share its environment."""

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest

from tests.support import project_copy

VERSION = tomllib.loads((project_copy.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> tuple[Path, Path]:
    """A copy of the project, and the programs of an environment where `pip install -e` installed that copy."""
    copy = project_copy.copy(tmp_path_factory.mktemp("installed"))
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, symlinks=os.name != "nt")
    places = {"base": str(environment), "platbase": str(environment)}
    packages = Path(sysconfig.get_path("purelib", "venv", vars=places))
    # The packages of this environment, without an `apparel` that may be installed in it: that stands in its .pth file,
    # which Python reads in site-packages only.
    (packages / "packages.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    programs = Path(sysconfig.get_path("scripts", "venv", vars=places))
    options = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--no-build-isolation"]
    python = programs / Path(sys.executable).name
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", *options, "--editable", str(copy)]
    subprocess.run(pip, check=True)
    return copy, programs


@pytest.fixture
def other(tmp_path) -> Path:
    """Another copy, of version 9.9, without the module that was added to the installed one."""
    copy = project_copy.copy(tmp_path)
    pyproject = copy / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8")
    pyproject.write_text(text.replace(f'version = "{VERSION}"', 'version = "9.9"'), encoding="utf-8")
    return copy


def run(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, text=True, check=False)


def test_version_is_that_of_pyproject():
    assert project_copy.run(project_copy.ROOT, "apparel", "--version").stdout == f"apparel {VERSION}\n"


def test_the_command_runs_what_python_m_apparel_runs(installed, tmp_path):
    copy, programs = installed
    for folder in (copy, tmp_path):  # where there is no project, the installed one answers
        assert run(folder, programs / "apparel", "--version").stdout == f"apparel {VERSION}\n"
        assert "usage: " in run(folder, programs / "apparel", "--help").stdout
    assert run(copy, programs / "apparel", "resluts").stderr.startswith("error: there is no command 'resluts'; did you")


def test_another_copy_runs_its_own_code(installed, other):
    _, programs = installed
    python = programs / Path(sys.executable).name
    assert run(other, programs / "apparel", "--version").stdout == "apparel 9.9\n"
    assert run(other, python, "-m", "apparel", "--version").stdout == "apparel 9.9\n"
    code = (
        "from importlib.util import find_spec; print(*(find_spec(name).origin for name in ('apparel', 'stages.train')))"
    )
    origins = run(other, python, "-c", code).stdout.split()
    assert origins == [str(other / "apparel" / "__init__.py"), str(other / "stages" / "train.py")]


def test_a_module_that_a_copy_lacks_is_not_taken_from_the_installed_one(installed, other):
    """It would be code that no commit of the copy names."""
    copy, programs = installed
    python = programs / Path(sys.executable).name
    (copy / "apparel" / "uncommitted.py").touch()
    assert run(copy, python, "-c", "import apparel.uncommitted").returncode == 0
    lacking = run(other, python, "-c", "import apparel.uncommitted")
    assert "No module named 'apparel.uncommitted'" in lacking.stderr
