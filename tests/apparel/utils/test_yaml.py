"""YAML: what is read, how a file that is none is named, and what an edit leaves alone."""

import pytest

from apparel.errors import UserError
from apparel.utils import yaml


def test_a_file_is_read_as_plain_values(tmp_path):
    (tmp_path / "a.yaml").write_text("a: [1, no]\nb: {c: null}\n", encoding="utf-8")
    assert yaml.load(tmp_path / "a.yaml") == {"a": [1, "no"], "b": {"c": None}}


def test_a_missing_file_is_named_with_what_to_do(tmp_path):
    with pytest.raises(UserError, match=r"a\.yaml not found; run this$"):
        yaml.load(tmp_path / "a.yaml", "run this")
    with pytest.raises(UserError, match=r"not found$"):
        yaml.load(tmp_path)


@pytest.mark.parametrize(
    "content", [b"a: [", b"a: \xff", b"a: 1\na: 2", b"!!python/object:os.system {}", b"a: &a [*a]"]
)
def test_a_file_that_is_not_yaml_is_named_on_one_line(content):
    with pytest.raises(UserError, match=r"^some file is not valid YAML: ") as error:
        yaml.parse(content, "some file")
    assert "\n" not in str(error.value)


def test_an_edit_keeps_comments_quotes_and_order():
    text = "# first\na:\n  b: 'x'  # why\n  c: 1\n\nd:\n  e: [1, 2]\n"
    assert yaml.edit(text, {"a": {"c": None}}) == text.replace("c: 1", "c: null")


LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n}\n  <<: [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LAUGHS, "aliases stand for more than 100,000 values"),
        (MERGES, "aliases stand for more than 100,000 values"),
        ("a: &a [*a]", "not valid YAML"),
        ("[" * 100_000, "line 1: lists and keys nest more than 100 levels deep"),
        ("a: 1\n" * 300_000, "larger than 1,000,000 bytes"),
    ],
)
def test_a_file_that_stands_for_gigabytes_is_refused(tmp_path, text, message):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(UserError, match=rf"params\.yaml.*{message}"):
        yaml.load(tmp_path / "params.yaml")


def test_a_few_aliases_are_read(tmp_path):
    (tmp_path / "params.yaml").write_text("a: &a {x: 1}\nb: *a\nc:\n  <<: *a\n  y: 2 * 3\n")
    assert yaml.load(tmp_path / "params.yaml") == {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": "2 * 3"}}


CHAIN = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 150))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[" * 3_000 + "]" * 3_000, ", line 1: lists and keys nest"),
        ("{a: " * 101 + "}" * 101, ", line 1: lists and keys nest"),
        ("\n".join(" " * level + "a:" for level in range(200)), ", line 100: lists and keys nest"),
        ("a: 1\nb:\n  " + "- " * 3_000 + "x", ", line 3: lists and keys nest"),
        (CHAIN, ": its aliases nest"),
    ],
)
def test_deep_nesting_is_refused_in_one_line_with_its_place(text, where):
    with pytest.raises(UserError) as error:
        yaml.parse(text, "six.yaml")
    assert str(error.value) == f"six.yaml{where} more than 100 levels deep; no file of this project needs ten"


def test_deep_nesting_is_refused_before_the_rest_is_read():
    with pytest.raises(UserError, match=r"^f, line 1: lists and keys nest"):
        yaml.parse("- " * 300 + "x\n[ no YAML", "f")


def test_some_levels_are_read():
    assert yaml.parse("[" * 50 + "]" * 50, "f") is not None


def test_the_line_of_a_value_is_found(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("# why\na:\n  - b: 1\n  # why\n  - {c: 2,\n     d: 3}\n1: 2\n", encoding="utf-8")
    line = yaml.Lines(path)
    found = [line(keys) for keys in (["a"], ["a", 0], ["a", 1], ["a", 1, "d"], ["a", 2], ["e"], ["a", "b"])]
    assert found == [3, 3, 5, 6, None, None, None]
