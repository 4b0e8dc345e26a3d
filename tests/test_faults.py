"""docs/faults.md against the tests that it names."""

import ast
import re

import pytest

from tests.support.repository import ROOT

NAMED = re.findall(r'`(tests/\S+\.py)(?: -k ("[^"]+"|\w+))?`', (ROOT / "docs" / "faults.md").read_text("utf-8"))


@pytest.mark.parametrize(("path", "words"), NAMED)
def test_what_the_table_names_is_there(path: str, words: str) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    tests = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    for word in words.strip('"').split(" or "):
        assert any(word in name for name in tests), word


def test_the_table_is_read():
    assert len(NAMED) > 30
