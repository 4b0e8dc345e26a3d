"""Names that a module takes from another one of the project exist: a name that has moved shows before it is used."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.repository import ROOT

PACKAGES = ("apparel", "stages", "benchmarks", "tools")
"""Not the tests: they fail where a name is missing."""

FILES = sorted(path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@cache
def _file(module: str) -> Path | None:
    path = ROOT / module.replace(".", "/")
    return next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()), None)


@cache
def _names(path: Path) -> set[str]:
    """What a module defines, imports, or assigns anywhere."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    return names | ({child.stem for child in path.parent.iterdir()} if path.name == "__init__.py" else set())


def _missing(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in PACKAGES:
            for alias in node.names:
                if module := _file(f"{node.module}.{alias.name}"):
                    modules[alias.asname or alias.name] = module
                elif alias.name not in _names(_file(node.module)):
                    yield f"{path}:{node.lineno}: {node.module} has no {alias.name}"
    hidden = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    hidden |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id not in hidden:
            module = modules.get(node.value.id)
            if module and not node.attr.startswith("__") and node.attr not in _names(module):
                yield f"{path}:{node.lineno}: {module.relative_to(ROOT)} has no {node.attr}"


@pytest.mark.parametrize("package", PACKAGES)
def test_names_of_other_modules_exist(package: str) -> None:
    missing = [line for path in FILES if path.parts[0] == package for line in _missing(ROOT / path)]
    assert not missing, "\n".join(missing)
