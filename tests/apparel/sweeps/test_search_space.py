"""Search spaces are checked against params.yaml, and values drawn from them are valid there."""

import optuna
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from apparel import params, paths
from apparel.errors import UserError
from apparel.sweeps import config, samplers, search_space
from apparel.utils import nested
from tests.support.repository import ROOT

PARAMS = YAML(typ="safe").load((ROOT / paths.PARAMS).read_text(encoding="utf-8"))
SPACE = {
    "train.resolution": {"choice": [300, 512]},
    "train.batch_size": [{"when": {"train.resolution": 512}, "choice": [4, 8]}, {"choice": [8, 16, 24, 32]}],
    "train.learning_rate": {"float": [1e-4, 1e-2], "log": True},
}


def parse(**changes) -> config.SweepConfig:
    return config.parse_config({"study": "s", "budget": {"trials": 4}, "space": SPACE} | changes, "sweep.yaml")


def build(current=None, **changes) -> search_space.SearchSpace:
    values = {section: dict(keys) for section, keys in PARAMS.items()}
    for key, value in (current or {}).items():
        section, _, name = key.partition(".")
        values[section][name] = value
    return search_space.build(parse(**changes), values, "sweep.yaml")


@pytest.mark.parametrize("path", ["configs/sweep.yaml", "configs/sweep-demo.yaml", "configs/sweep-apparel.yaml"])
def test_the_projects_own_configurations_are_valid(path):
    sweep_config = config.load_config(ROOT / path)
    space = search_space.build(sweep_config, PARAMS, path)
    assert set(space.ranges) == set(sweep_config.space)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spase": {}}, "spase is unknown; did you mean 'space'"),
        ({"sampler": {"kind": "tpe", "sed": 1}}, "sampler.sed is unknown; did you mean 'seed'"),
        ({"sampler": {"kind": "cma"}}, "sampler.kind"),
        ({"budget": {}}, "budget: give trials, minutes or both"),
        ({"budget": {"trials": 0}}, "budget.trials"),
        ({"study": "../x"}, "study"),
        ({"space": {}}, "space"),
        ({"space": {"train.batch_siz": {"int": [1, 8]}}}, "no key 'train.batch_siz'; did you mean 'train.batch_size'"),
        ({"fixed": {"train.epoch": 1}}, "no key 'train.epoch'; did you mean 'train.epochs'"),
        ({"fixed": {"train.epochs": "many"}}, "fixed: train.epochs"),
        ({"fixed": {"train.resolution": 300}}, "train.resolution is both fixed and in the space"),
        (
            {"space": {"train.learning_rate": {"float": [0.1, 0.01]}}},
            "train.learning_rate.*lower bound is above the upper one: 0.1 to 0.01",
        ),
        ({"space": {"train.learning_rate": {"float": [0, 0.01], "log": True}}}, "logarithmic range starts above 0"),
        ({"space": {"train.learning_rate": {"float": [0, 0.01]}}}, "space.train.learning_rate: .*greater than 0"),
        ({"space": {"train.batch_size": {"choice": [8, 0]}}}, "space.train.batch_size: .*greater than or equal to 1"),
        ({"space": {"train.batch_size": {"choice": [8, 8]}}}, "listed twice"),
        ({"space": {"train.batch_size": {"choice": [8], "int": [1, 2]}}}, "one of choice, float and int"),
        ({"space": {"train.batch_size": {"float": [1, 8]}}}, "train.batch_size: .*valid integer"),
        ({"space": {"train.schedule": {"int": [1, 2]}}}, "a range of numbers, but params.yaml has 'cosine'"),
        ({"space": {"train.freeze": {"choice": ["backbone"]}}}, "freeze is 'backbone', but train.checkpoint"),
        (
            {"space": {"train.patience": {"when": {"train.sead": 1}, "int": [0, 2]}}},
            "when: .*you mean 'train.seed'",
        ),
        (
            {"space": {"train.patience": {"when": {"train.seed": 1}, "int": [0, 2]}, "train.seed": {"choice": [0, 1]}}},
            "list train.seed above it",
        ),
        ({"objectives": [{"metric": "test/mAP50", "direction": "maximize"}]}, "objective 1: metric: "),
    ],
)
def test_an_error_in_the_configuration_is_named(changes, message):
    with pytest.raises(UserError, match=message):
        build(**changes)


def test_the_space_is_extended_by_the_values_of_params_with_a_note():
    space = build({"train.resolution": 160, "train.learning_rate": 0.05, "train.batch_size": 16})
    assert space.initial_values == {"train.resolution": 160, "train.batch_size": 16, "train.learning_rate": 0.05}
    assert space.ranges["train.resolution"][0].choice == (160, 300, 512)
    assert space.ranges["train.learning_rate"][0].float == (1e-4, 0.05)
    assert len(space.notes) == 2
    assert not build({"train.resolution": 300, "train.learning_rate": 1e-4}).notes
    conditional = build({"train.resolution": 512, "train.batch_size": 6})
    assert [range_.choice for range_ in conditional.ranges["train.batch_size"]] == [(6, 4, 8), (8, 16, 24, 32)]


def test_a_conditional_range_is_a_parameter_of_its_own_in_optuna():
    space = build({"train.resolution": 300})
    large = {"train.resolution": 512, "train.batch_size": 4, "train.learning_rate": 0.001}
    assert space.to_optuna(large) == {
        "train.resolution": 512,
        "train.batch_size|train.resolution=512": 4,
        "train.learning_rate": 0.001,
    }
    assert space.to_optuna(large | {"train.resolution": 300, "train.batch_size": 8})["train.batch_size"] == 8


@hypothesis_settings(max_examples=20)
@given(st.integers(0, 2**31 - 1), st.sampled_from(["tpe", "random"]))
def test_every_drawn_value_is_in_its_range_and_passes_the_params(seed, kind):
    space = build({"train.resolution": 300})
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sweep_config = parse(sampler={"kind": kind, "seed": seed})
    study = optuna.create_study(direction="maximize")
    for number in range(3):
        study.sampler = samplers.make_sampler(sweep_config, number)
        trial = study.ask()
        values = space.suggest(trial)
        assert values["train.batch_size"] in ((4, 8) if values["train.resolution"] == 512 else (8, 16, 24, 32))
        assert 1e-4 <= values["train.learning_rate"] <= 1e-2
        params.parse(nested.nest(space.base | values))
        assert trial.params == space.to_optuna(values)
        study.tell(trial, values["train.learning_rate"])


def test_a_key_without_a_range_that_applies_keeps_its_value():
    space = build(space={"train.batch_size": {"when": {"train.optimizer": "momentum"}, "choice": [4, 8]}})
    study = optuna.create_study()
    assert space.suggest(study.ask()) == {}
    assert space.grid() == [{}]


def test_a_grid_has_all_combinations_once_and_that_of_params_first():
    space = build(space={key: SPACE[key] for key in ("train.resolution", "train.batch_size")})
    points = [tuple(values.values()) for values in space.grid()]
    assert points[0] == (PARAMS["train"]["resolution"], PARAMS["train"]["batch_size"])
    assert len(points) == len(set(points)) == 2 * 4 + 2
    with pytest.raises(UserError, match="a grid takes"):
        build().grid()


def test_values_are_written_and_all_other_lines_stay(tmp_path):
    path = tmp_path / "params.yaml"
    before = (ROOT / paths.PARAMS).read_text(encoding="utf-8")
    path.write_text(before, encoding="utf-8")
    search_space.write_params(path, {"train.epochs": 3, "train.learning_rate": 0.00012345})
    changed = [line for line in path.read_text(encoding="utf-8").splitlines() if line not in before.splitlines()]
    assert [line.split("#")[0].strip() for line in changed] == ["epochs: 3", "learning_rate: 0.00012345"]
    assert params.load(path).train.learning_rate == 0.00012345


def test_a_grid_leaves_out_keys_without_a_range_that_applies():
    ranges = ({"when": {"train.resolution": 512}, "choice": [4, 8]},)
    space = build(
        {"train.resolution": 300}, space={"train.resolution": {"choice": [300, 512]}, "train.batch_size": list(ranges)}
    )
    small, large = {"train.resolution": 300}, {"train.resolution": 512}
    assert space.grid() == [small, large | {"train.batch_size": 4}, large | {"train.batch_size": 8}]
