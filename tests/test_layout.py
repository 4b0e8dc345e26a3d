"""Tests mirror `apparel/`, `stages/` and `benchmarks/`, file by file."""

from pathlib import PurePosixPath

import pytest

from tests.support.repository import ROOT

WITHOUT_MODULE = {
    "tests/apparel/test_main.py": "of apparel/__main__.py and the list of commands in apparel/cli/__init__.py",
    "tests/apparel/test_former_modules.py": "of apparel/__init__.py: names from before modules moved",
    "tests/apparel/models/tfod/test_tensorflow_io.py": "of apparel/models/tfod/__init__.py, which replaces it",
}
"""Test files of a package itself, with what they test."""

WITHOUT_TEST = {
    "apparel/__main__.py": "tests/apparel/test_main.py",
    "apparel/classes.py": "one constant",
    "apparel/inference/network.py": "an interface: tests/apparel/inference/test_tensorflow_network.py",
    "apparel/models/detections.py": "a tuple of arrays",
    "apparel/models/tfod/model_builder.py": "an import: tests/apparel/utils/test_optional_imports.py",
    "apparel/inference/writer.py": "an interface; tests/apparel/analysis/predictions/test_open_writers.py",
    "apparel/inference/openvino_network.py": "tests/apparel/inference/test_onnx_network.py",
    "apparel/models/export/onnx_interface.py": "constants",
    "apparel/paths.py": "constants",
    "apparel/serving/answers.py": "types for the description of the API: tests/apparel/serving/test_app.py",
    "apparel/serving/limits.py": "constants: each limit has its test in tests/apparel/serving/",
    "apparel/tracking/pyfunc_model.py": "MLflow runs a copy of it: tests/apparel/tracking/test_model.py",
    "benchmarks/__main__.py": "a list of the benchmarks",
}
"""Modules that need no test file of their own, and why."""


def module_of(test: str) -> str:
    """The module that a test file is of, by its name."""
    path = PurePosixPath(test).relative_to("tests")
    return path.with_name(path.name.removeprefix("test_")).as_posix()


def listed(folder: str, pattern: str) -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob(pattern))


MIRRORED = ("apparel", "stages", "benchmarks")
TESTS = [test for folder in MIRRORED for test in listed(f"tests/{folder}", "test_*.py")]
MODULES = [module for folder in MIRRORED for module in listed(folder, "*.py") if not module.endswith("__init__.py")]


@pytest.mark.parametrize("test", sorted(set(TESTS) - WITHOUT_MODULE.keys()))
def test_every_test_file_has_its_module(test):
    assert (ROOT / module_of(test)).is_file()


@pytest.mark.parametrize("module", sorted(set(MODULES) - WITHOUT_TEST.keys()))
def test_every_module_has_its_test_file(module):
    assert module in {module_of(test) for test in TESTS}


def test_the_exceptions_are_needed():
    assert WITHOUT_MODULE.keys() <= set(TESTS)
    assert WITHOUT_TEST.keys() <= set(MODULES)
    assert not {module_of(test) for test in TESTS} & WITHOUT_TEST.keys()
    assert not [test for test in WITHOUT_MODULE if (ROOT / module_of(test)).is_file()]


def test_helpers_hold_no_tests_but_their_own():
    tests = listed("tests/support", "test_*.py")
    assert [test for test in tests if not (ROOT / test.replace("test_", "")).is_file()] == []
