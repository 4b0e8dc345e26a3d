"""params.yaml: whatever is wrong in it is refused by name, for every key that there is."""

import copy
import math
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from apparel import params
from apparel.errors import UserError
from apparel.params import Params
from tests.support.repository import ROOT

VALUES = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
SECTIONS = {name: list(field.annotation.model_fields) for name, field in Params.model_fields.items()}
KEYS = [(section, key) for section, keys in SECTIONS.items() for key in keys]

OF_TYPE = {
    "string": ["", "one two", "nan", "1e400", "null", "-"],
    "integer": [-(10**30), 7],
    "number": [0.5, math.nan, math.inf, -1.5],
    "boolean": [True, False],
    "array": [[], [1, 2], [["Tops"]]],
    "object": [{}, {"a": 1}],
    "null": [None],
}
"""Values of every type that YAML has, by JSON Schema's names."""


def changed(section: str, key: str, value: Any) -> dict:
    values = copy.deepcopy(VALUES)
    values[section][key] = value
    return values


def types_of(section: str, key: str) -> set[str]:
    """The types that the model's schema allows."""
    schema = Params.model_json_schema()
    found = schema["$defs"][schema["properties"][section]["$ref"].rsplit("/", 1)[1]]["properties"][key]
    allowed = {choice["type"] for choice in found.get("anyOf", [found])}
    return allowed | {"integer"} if "number" in allowed else allowed


def test_the_file_has_every_key_in_order_and_no_other() -> None:
    assert {section: list(keys) for section, keys in VALUES.items()} == SECTIONS
    in_stages = {f"{section}.{key}" for section, key in KEYS if section not in params.NOT_IN_STAGES}
    assert params.parse(VALUES).flat().keys() == in_stages


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_a_missing_key_is_named(section: str, key: str) -> None:
    values = copy.deepcopy(VALUES)
    del values[section][key]
    with pytest.raises(UserError, match=rf"{section}\.{key} is missing"):
        params.parse(values)


@pytest.mark.parametrize("section", SECTIONS)
def test_a_missing_and_an_invalid_section_are_named(section: str) -> None:
    values = copy.deepcopy(VALUES)
    del values[section]
    with pytest.raises(UserError, match=rf"{section} is missing"):
        params.parse(values)
    for wrong in (None, 3, "text", [], True):
        with pytest.raises(UserError, match=rf"params\.yaml: {section}"):
            params.parse(values | {section: wrong})


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_a_value_of_any_wrong_type_is_named(section: str, key: str) -> None:
    wrong = OF_TYPE.keys() - types_of(section, key)
    assert {"object"} < wrong
    for value in (value for kind in wrong for value in OF_TYPE[kind]):
        with pytest.raises(UserError, match=rf"{section}\.{key}: .*found"):
            params.parse(changed(section, key, value))


@given(place=st.sampled_from(KEYS), data=st.data())
def test_a_misspelt_key_is_named_with_the_right_one(place: tuple[str, str], data: st.DataObject) -> None:
    section, key = place
    where = data.draw(st.integers(0, len(key) - 1))
    letter = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz_"))
    misspelt = key[:where] + letter + key[where + data.draw(st.integers(0, 1)) :]
    if misspelt in SECTIONS[section]:
        return
    values = copy.deepcopy(VALUES)
    values[section][misspelt] = values[section].pop(key)
    with pytest.raises(UserError) as error:
        params.parse(values)
    message = str(error.value)
    assert f"{section}.{key} is missing" in message
    assert f"{section}.{misspelt} is unknown" in message
    assert f"did you mean '{key}'" in message or len(key) < 5


@given(place=st.sampled_from(KEYS), value=st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
))  # fmt: skip
def test_any_value_is_taken_as_it_is_or_refused_by_name(place: tuple[str, str], value: Any) -> None:
    section, key = place
    try:
        checked = params.parse(changed(section, key, value))
    except UserError as error:
        assert f"{section}.{key}" in str(error)
    else:
        taken = getattr(getattr(checked, section), key)
        assert taken == (tuple(value) if isinstance(value, list) else value)


@pytest.mark.parametrize(
    "text", ["", "- a\n", "3", "text", "data: [", "data: {name: a, name: b}", "\ta: 1", "a: !!x 1"]
)
def test_a_file_of_another_kind_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"params\.yaml"):
        params.load(path)


def test_copy_paste_needs_another_photo_in_the_batch() -> None:
    values = changed("train", "copy_paste", 0.5)
    assert params.parse(values).train.copy_paste == 0.5
    with pytest.raises(
        UserError, match="copy_paste takes garments of the next photo of the batch: set batch_size to 2"
    ):
        params.parse(values | {"train": values["train"] | {"batch_size": 1}})


def test_a_fold_is_not_exported() -> None:
    values = changed("split", "fold", "1/5")
    assert params.parse(values).split.fold == "1/5"
    with pytest.raises(UserError, match="formats are measured on test"):
        params.parse(values | {"export": {"formats": ["tflite"]}})


def test_a_missing_file_and_one_that_is_not_utf8_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run from the project's root"):
        params.load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_bytes(b"data: \xff\xfe")
    with pytest.raises(UserError, match="is not valid YAML"):
        params.load(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("train", "freeze", "backbone", "random weights would stay random"),
        ("train", "freeze", "early", "random weights would stay random"),
        ("data", "classes", ["Tops", "Tops"], "listed twice"),
        ("data", "classes", [" Tops"], "is not a class name"),
        ("data", "classes", ["Ro\u0308cke"], "accents apart from their letters"),
        ("data", "classes", ["Tops", "background"], "the results use the name 'background'"),
        ("data", "classes", ["all classes"], "the results use the name 'all classes'"),
        ("data", "classes", ["recall"], "the results use the name 'recall'"),
        (
            "data",
            "classes",
            [1, 2],
            r"^params.yaml: data.classes: a class .* quotes, such as '1', '2' .*, found \[1, 2\]$",
        ),
        ("data", "classes", ["Tops", 1.5, None], "in quotes, such as '1.5', 'null' "),
        ("data", "classes", [True, "Tops"], "in quotes, such as 'true' "),
        ("data", "classes", [date(2026, 11, 28)], "in quotes, such as '2026-11-28' "),
        ("data", "classes", [["Tops"]], "valid string"),
        ("data", "classes", "Dresses", "should be a list, found 'Dresses'"),
        ("train", "augmentation", "flip", "should be a list, found 'flip'"),
        ("train", "optimizer", "Adam", "found 'Adam'; did you mean 'adam'"),
        ("train", "schedule", "linear", "found 'linear'$"),
        ("train", "assignment", "simota", "'iou', 'atss' or 'dynamic', found 'simota'$"),
        ("train", "multi_scale", [128, 128], "multi_scale lists a resolution twice, or that of train.resolution$"),
        ("train", "multi_scale", [160], "multi_scale lists a resolution twice, or that of train.resolution$"),
        ("train", "multi_scale", [32], "train.multi_scale: .* greater than or equal to 33, found 32"),
        ("data", "name", "../etc", "data.name"),
        ("train", "checkpoint", "-x", "train.checkpoint"),
        ("split", "test_fraction", 1.0, "split.test_fraction"),
        ("train", "steps", 5_000_000_000, "train.steps"),
        ("train", "min_negatives_per_photo", 3_000_000_000, "train.min_negatives_per_photo"),
        ("train", "learning_rate", 1e39, "train.learning_rate"),
    ],
)
def test_values_that_make_no_sense_are_refused(section: str, key: str, value: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        params.parse(changed(section, key, value))


def test_a_section_without_keys_is_reported_with_its_keys() -> None:
    with pytest.raises(UserError, match=r"tfrecord: should have the keys photos_per_shard, found None"):
        params.parse(VALUES | {"tfrecord": None})


@pytest.mark.parametrize(
    ("text", "told"),
    [("[" * 5000, "nest more than 100 levels"), (f"split: {{seed: {'9' * 5000}}}", "is not valid YAML")],
)
def test_a_text_that_breaks_the_yaml_parser_is_named(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=rf"params\.yaml.*{told}"):
        params.load(tmp_path / "params.yaml")


@pytest.mark.parametrize("fold", ["0/5", "6/5", "1/1", "1/5 of none", "5", "1 / 5", ""])
def test_a_fold_is_one_of_at_least_two(fold: str) -> None:
    values = copy.deepcopy(VALUES)
    values["split"]["fold"] = fold
    with pytest.raises(UserError, match=r"split\.fold"):
        params.parse(values)


def test_a_fold_is_judged_on_val_and_all_else_on_test() -> None:
    values = copy.deepcopy(VALUES)
    assert params.parse(values).split.judged == "test"
    values["split"]["fold"] = "2/5 of all"
    assert params.parse(values).split.judged == "val"
    assert params.parse_fold("2/5 of all") == (2, 5, True) and params.parse_fold("12/20") == (12, 20, False)


def test_a_teacher_needs_photos_and_photos_need_a_teacher() -> None:
    for section, key, value in (("data", "unlabelled", "shop"), ("train", "teacher", "labels")):
        with pytest.raises(UserError, match=r"teacher is '.*', but data\.unlabelled is '.*': set both, or neither"):
            params.parse(changed(section, key, value))
    values = changed("data", "unlabelled", "shop")
    values["train"]["teacher"] = "mean"
    with pytest.raises(UserError, match=r"teacher is 'mean', .*: set moving_average to 0.99"):
        params.parse(values)
    values["train"]["moving_average"] = 0.99
    assert params.parse(values).train.teacher == "mean"


def test_parts_of_a_batch_are_of_one_size_and_have_no_teacher() -> None:
    train = params.load(ROOT / "params.yaml").train.model_dump()
    assert params.Train.model_validate(train | {"batch_size": 12, "replicas": 4}).replicas == 4
    with pytest.raises(ValueError, match="replicas is 5, which does not divide batch_size, 12"):
        params.Train.model_validate(train | {"batch_size": 12, "replicas": 5})
    with pytest.raises(ValueError, match="replicas is 2, and teacher 'labels'"):
        params.Train.model_validate(train | {"replicas": 2, "teacher": "labels"})


@pytest.mark.parametrize(("figures", "split"), [({"val", "test"}, "test"), ({"val": {}}, "val"), (["test"], "test")])
def test_results_are_judged_on_test_unless_they_have_figures_of_val_alone(figures, split) -> None:
    assert params.judged_split(figures) == split
