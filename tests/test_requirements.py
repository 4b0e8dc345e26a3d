import ast
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.repository import ROOT

LISTS = ("requirements", "requirements-export", "requirements-dev")
"""The packages of users, what the format ONNX needs besides, and what tests and lint need besides."""

EXPORT_MODULES = {"onnx", "tf2onnx", "onnxruntime", "openvino"}
"""The modules of the direct dependencies of the format ONNX, called as their packages."""

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


def code_of_users() -> Iterator[tuple[Path, ast.Module]]:
    for path in [*ROOT.glob("apparel/**/*.py"), *ROOT.glob("stages/*.py")]:
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def imported(nodes: Iterable[ast.AST]) -> set[str]:
    """Top modules that import statements among `nodes` name."""
    names = set()
    for node in nodes:
        match node:
            case ast.Import(aliases):
                names |= {alias.name.partition(".")[0] for alias in aliases}
            case ast.ImportFrom(str(package), _, 0):
                names.add(package.partition(".")[0])
    return names


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


@pytest.mark.parametrize(
    ("name", "least"), [("requirements", 100), ("requirements-export", 10), ("requirements-dev", 20)]
)
def test_every_locked_package_has_a_hash_and_no_address(name, least):
    lock = read(f"{name}.txt")
    entries = lock.replace("\\\n", "").splitlines()
    pinned = [entry for entry in entries if "==" in entry and not entry.lstrip().startswith("#")]
    assert len(pinned) > least
    assert all("--hash=sha256:" in entry for entry in pinned)
    assert "://" not in lock


@pytest.mark.parametrize(("one", "other"), itertools.combinations(LISTS, 2))
def test_lists_agree_on_every_version(one, other):
    first, second = locked(one), locked(other)
    differing = {package for package in first.keys() & second.keys() if first[package] != second[package]}
    assert not differing, "run `make lock`"


def test_no_code_of_users_imports_a_package_of_the_tests():
    tests = {canonicalize_name(direct.name) for direct in requirements(read("requirements-dev.in"))}
    assert tests == MODULES.keys(), "a new package: name its module in MODULES"
    assert not tests & locked("requirements").keys() - SHARED
    for path, tree in code_of_users():
        assert not (set(MODULES.values()) - SHARED) & imported(ast.walk(tree)), path


def test_packages_of_the_format_onnx_are_imported_where_they_are_used():
    """Within functions: without these packages, all else works."""
    assert {direct.name for direct in requirements(read("requirements-export.in"))} == EXPORT_MODULES
    assert not EXPORT_MODULES & locked("requirements").keys()
    for path, tree in code_of_users():
        assert not EXPORT_MODULES & imported(tree.body), path


def test_no_list_installs_telemetry_of_openvino():
    pins = [pin for name in LISTS for pin in requirements(read(f"{name}.txt")) if "telemetry" in pin.name]
    sent = [pin for pin in pins if pin.name.startswith("openvino") and (pin.marker is None or pin.marker.evaluate())]
    assert not sent


def test_pre_commit_runs_the_ruff_of_the_list():
    """As hooks of this project's own: a hook from elsewhere would bring a second ruff, of another version."""
    config = read(".pre-commit-config.yaml")
    assert set(re.findall(r"repo: (\S+)", config)) == {"local"}
    assert "additional_dependencies" not in config


def test_the_list_for_a_gpu_has_the_users_versions_and_cuda() -> None:
    ours, users = locked("requirements-gpu"), locked("requirements")
    assert {"tensorflow", "nvidia-cudnn-cu12", "nvidia-cuda-runtime-cu12"} <= set(ours)
    assert {name: version for name, version in ours.items() if users.get(name, version) != version} == {}
    assert {name for name in ours if name not in users and not name.startswith("nvidia-")} == set()
    assert read("requirements-gpu.txt").count("--hash=sha256:") > len(ours)
