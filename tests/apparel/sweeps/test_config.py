"""The configuration of a sweep is read from a file, and written into its study."""

import pytest

from apparel.errors import UserError
from apparel.sweeps import config
from apparel.sweeps.plan import to_plain
from tests.support.repository import ROOT


def test_a_file_that_is_missing_or_no_yaml_is_named(tmp_path):
    with pytest.raises(UserError, match="not found"):
        config.load_config(tmp_path / "sweep.yaml")
    (tmp_path / "sweep.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(UserError, match="not valid YAML"):
        config.load_config(tmp_path / "sweep.yaml")


@pytest.mark.parametrize("name", ["sweep.yaml", "sweep-demo.yaml", "sweep-apparel.yaml"])
def test_a_configuration_is_the_same_after_it_was_stored_in_a_study(name):
    settings = config.load_config(ROOT / "configs" / name)
    assert config.parse_config(to_plain(settings), "study") == settings


@pytest.mark.parametrize(
    ("space", "told"),
    [
        ("{choise: [1]}", r"space\.train\.epochs\.choise is unknown; did you mean 'choice'\?$"),
        ("{int: [3, 2]}", r"space\.train\.epochs: the lower bound is above"),
        ("\n  - {int: [1, 2]}\n  - {int: [1, x]}", r"space\.train\.epochs, entry 2 \(line 6\): int: input should be a"),
        ("{int: [1, 2, 3]}", r"space\.train\.epochs\.int: list should have at most 2 items"),
    ],
)
def test_a_range_is_named_as_the_file_has_it(tmp_path, space, told):
    path = tmp_path / "sweep.yaml"
    path.write_text(f"study: s\nbudget: {{trials: 2}}\nspace:\n train.epochs: {space}\n", encoding="utf-8")
    with pytest.raises(UserError, match=told):
        config.load_config(path)


SWEEP = {"study": "s", "budget": {"trials": 2}, "space": {"train.mosaic": {"choice": [0.0, 0.5]}}}


def test_cross_validation_is_pruned_by_its_own_rule():
    settings = config.parse_config(SWEEP | {"objective": "crossval", "folds": 3}, "here")
    assert (settings.pruner.kind, settings.pruner.p, settings.can_prune) == ("wilcoxon", 0.1, True)
    assert config.parse_config(to_plain(settings), "study") == settings
    assert config.parse_config(SWEEP, "here").objective == "val"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"objective": "crossval", "pruner": {"kind": "median"}}, "wilcoxon is for `objective: crossval`"),
        ({"pruner": {"kind": "wilcoxon"}}, "wilcoxon is for `objective: crossval`"),
        ({"objective": "crossval", "fixed": {"split.fold": "1/5"}}, "split.fold is what"),
        ({"objective": "crossval", "folds": 1}, "folds"),
        ({"objective": "crossvalidation"}, "objective"),
        ({"objective": "crossval", "objectives": [{"metric": "latency", "direction": "minimize"}]}, "no folds"),
        ({"objective": "crossval", "pruner": {"kind": "wilcoxon", "p": 1.5}}, "pruner.p"),
    ],
)
def test_what_does_not_go_with_cross_validation_is_named(changes, told):
    with pytest.raises(UserError, match=told):
        config.parse_config(SWEEP | changes, "here")
