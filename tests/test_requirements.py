import ast
import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.repository import ROOT

LISTS = ("requirements", "requirements-dev")
"""The packages of users, and what tests and lint need besides."""

MODULES = {
    "pytest": "pytest",
    "pytest-xdist": "xdist",
    "hypothesis": "hypothesis",
    "ruff": "ruff",
    "moto": "moto",
    "gcp-storage-emulator": "gcp_storage_emulator",
    "aiohttp": "aiohttp",
    "pre-commit": "pre_commit",
}
"""The module of each direct dependency of the tests."""

SHARED = {"aiohttp"}
"""Of those, what packages of the users bring as well."""


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def requirements(text: str) -> list[Requirement]:
    """Those of a requirements file, without comments and hashes."""
    lines = (line.partition("#")[0].partition("\\")[0].strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("--hash")]


def locked(name: str) -> dict[str, str]:
    """Version by package of a locked list."""
    return {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in requirements(read(f"{name}.txt"))}


@pytest.mark.parametrize("name", LISTS)
def test_lock_has_every_direct_dependency(name):
    versions = locked(name)
    for direct in requirements(read(f"{name}.in")):
        assert direct.specifier.contains(versions.get(canonicalize_name(direct.name), "0")), (
            f"{direct}: run `make lock`"
        )


@pytest.mark.parametrize("name", LISTS)
def test_each_direct_dependency_says_why(name):
    for line in read(f"{name}.in").splitlines():
        assert line.startswith("#") or line.partition("#")[2].strip(), line


@pytest.mark.parametrize(("name", "least"), [("requirements", 100), ("requirements-dev", 20)])
def test_every_locked_package_has_a_hash_and_no_address(name, least):
    lock = read(f"{name}.txt")
    entries = lock.replace("\\\n", "").splitlines()
    pinned = [entry for entry in entries if "==" in entry and not entry.lstrip().startswith("#")]
    assert len(pinned) > least
    assert all("--hash=sha256:" in entry for entry in pinned)
    assert "://" not in lock


def test_both_lists_agree_on_every_version():
    users, tests = locked("requirements"), locked("requirements-dev")
    differing = {package for package in users.keys() & tests.keys() if users[package] != tests[package]}
    assert not differing, "run `make lock`"


def test_no_code_of_users_imports_a_package_of_the_tests():
    tests = {canonicalize_name(direct.name) for direct in requirements(read("requirements-dev.in"))}
    assert tests == MODULES.keys(), "a new package: name its module in MODULES"
    assert not tests & locked("requirements").keys() - SHARED
    for path in [*ROOT.glob("apparel/**/*.py"), *ROOT.glob("stages/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Import(aliases):
                    names = [alias.name for alias in aliases]
                case ast.ImportFrom(str(package), _, 0):
                    names = [package]
                case _:
                    continue
            assert not set(MODULES.values()) & {name.partition(".")[0] for name in names}, path


def test_pre_commit_runs_the_ruff_of_the_list():
    """As hooks of this project's own: a hook from elsewhere would bring a second ruff, of another version."""
    config = read(".pre-commit-config.yaml")
    assert set(re.findall(r"repo: (\S+)", config)) == {"local"}
    assert "additional_dependencies" not in config
