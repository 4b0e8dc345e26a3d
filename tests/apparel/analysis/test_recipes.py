import re
import shlex
import subprocess

import pytest
from dvc.utils.hydra import apply_overrides
from hypothesis import given
from hypothesis import strategies as st

from apparel import params, paths
from apparel.analysis import recipes
from apparel.errors import UserError
from apparel.utils import nested

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(lambda text: "$" not in text)
SHIPPED = ["all", "one", "six", "six_two_stage", "two"]
"""The recipes of the project; others may have come with imports."""

SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT


@pytest.mark.parametrize("name", SHIPPED)
def test_each_recipe_is_valid_and_says_what_to_expect(name):
    recipe = recipes.load(name)
    checked = recipes.apply_values(params.load().model_dump(mode="json"), recipe.params, name)
    assert checked.data.name == recipe.params["data"]["name"]
    assert all(re.search(r"\w+ .*\w", text) for text in (recipe.about, recipe.takes, recipe.expect))


@pytest.mark.parametrize("name", SHIPPED)
def test_each_value_has_a_reason(name):
    lines = recipes.path(name).read_text(encoding="utf-8").partition("\nparams:\n")[2].splitlines()
    for before, line in zip(["", *lines], lines, strict=False):
        if re.match(r" {4}\w+:", line):
            assert " # " in line or before.startswith("    # "), line


def test_recipes_on_the_same_photos_set_the_same_keys():
    """Or one would inherit what another left in params.yaml."""
    keys = {}
    for name in SHIPPED:
        values = recipes.load(name).params
        found = {(section, key) for section, part in values.items() for key in part}
        assert keys.setdefault(values["data"]["name"], found) == found, name


def test_an_unknown_recipe_names_the_nearest_and_lists_all():
    with pytest.raises(
        UserError, match=r"no recipe 'sixx' .*did you mean 'six'\? Recipes: all, .*one, .*six, .*six_two_stage, .*two"
    ):
        recipes.load("sixx")
    with pytest.raises(UserError, match=r"all, .*one, .*six, .*six_two_stage, .*two"):
        recipes.load("../sweep")


def test_an_unknown_key_names_the_file_and_the_nearest_key(tmp_path, monkeypatch):
    text = recipes.path("six").read_text(encoding="utf-8")
    base = params.load().model_dump(mode="json")
    monkeypatch.setattr(recipes, "FOLDER", tmp_path)
    (tmp_path / "mine.yaml").write_text(text.replace("    epochs:", "    epoch:"), encoding="utf-8")
    with pytest.raises(UserError, match=r"mine\.yaml: train\.epoch is unknown; did you mean 'epochs'"):
        recipes.apply_values(base, recipes.load("mine").params, "mine.yaml")
    (tmp_path / "mine.yaml").write_text(text.replace("expect:", "expects:"), encoding="utf-8")
    with pytest.raises(UserError, match=r"mine\.yaml: .*expects is unknown; did you mean 'expect'"):
        recipes.load("mine")


@given(st.dictionaries(st.sampled_from("abcd"), SCALAR | st.lists(SCALAR, max_size=3), min_size=1))
def test_values_are_read_back_as_they_were(values):
    keys = dict(zip("abcd", ("train.seed", "train.epochs", "split.seed", "data.name"), strict=True))
    sections = nested.nest({keys[letter]: value for letter, value in values.items()})
    words = recipes.dvc_command("name", sections)
    assert recipes.parse_overrides(words[words.index("-S") + 1 :: 2]) == sections


@pytest.mark.parametrize("name", SHIPPED)
def test_dvc_sets_the_values_of_the_recipe(name, tmp_path):
    base, changes = params.load().model_dump(mode="json"), recipes.load(name).params
    file = tmp_path / "params.yaml"
    file.write_bytes(paths.PARAMS.read_bytes())
    words = recipes.dvc_command(name, changes)
    apply_overrides(file, words[words.index("-S") + 1 :: 2])
    assert params.load(file) == recipes.apply_values(base, changes, name)


def test_the_line_can_be_pasted_into_bash():
    values = {"data": {"classes": ["Pants & Leggings", "Women's", "$HOME"]}, "split": {"test_list": None}}
    words = recipes.dvc_command("six", values, force=True)
    line = shlex.join(words)
    shown = subprocess.run(["bash", "-c", f"printf '%s\\n' {line}"], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines() == words
    assert words[:6] == ["dvc", "exp", "run", "-n", "six", "--force"]
    assert words[-1] == "split.test_list=null"


def test_without_a_name_it_is_repro_or_an_experiment_that_dvc_names():
    assert recipes.dvc_command(None, {}) == ["dvc", "repro"]
    assert recipes.dvc_command(None, {"train": {"epochs": 2}}) == ["dvc", "exp", "run", "-S", "train.epochs=2"]


@pytest.mark.parametrize("text", ["train.epochs", "~train.epochs", "+train.extra=1", "train.epochs=[", "=2"])
def test_an_override_of_another_form_is_refused(text):
    with pytest.raises(UserError, match=r"expected section\.key=value"):
        recipes.parse_overrides([text])


def test_several_values_at_once_are_a_sweep():
    with pytest.raises(UserError, match="apparel sweep"):
        recipes.parse_overrides(["train.epochs=10,20"])


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("train.epoch", "did you mean train.epochs?"),
        ("tran.epochs", "did you mean train.epochs?"),
        ("split.epochs", "did you mean train.epochs?"),
        ("epochs", "did you mean train.epochs?"),
        ("batchsize", "did you mean train.batch_size?"),
        ("seed", "did you mean split.seed or train.seed?"),
        ("eval", "valid are eval.pictures"),
        ("eval.zzz", "valid are eval.pictures"),
        ("zzz", "valid are data, convert, split, tfrecord, train, eval"),
    ],
)
def test_a_key_that_does_not_exist_is_refused_with_the_nearest_section_included(name, hint):
    with pytest.raises(UserError, match=re.escape(f"-S {name}=1: params.yaml has no '{name}'; {hint}")):
        recipes.parse_overrides([f"{name}=1"])


def test_a_value_in_the_place_of_a_recipe_is_told_where_it_goes():
    with pytest.raises(UserError, match=r"given as -S train\.epochs=1"):
        recipes.load("train.epochs=1")


def test_an_isolated_run_is_an_experiment_in_a_copy():
    assert recipes.dvc_command("mine", {}, isolated=True) == ["dvc", "exp", "run", "-n", "mine", "--temp"]
