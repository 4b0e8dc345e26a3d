"""The trainings of a cross-validation, their names and parameters, and what is refused."""

import json

import pytest

from apparel.analysis import crossval_results
from apparel.errors import UserError
from apparel.models import prerequisites
from apparel.sweeps import crossval_plan, snapshot
from apparel.sweeps.snapshot import Snapshot
from apparel.versioning import git
from tests.support.repository import ROOT


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("params.yaml", "data/demo/params.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.setattr(crossval_results, "CROSSVAL", tmp_path / "crossval")
    monkeypatch.setattr(prerequisites, "check_parameters", lambda config: None)
    monkeypatch.setattr(snapshot, "take", lambda config: Snapshot("c", "s", "tree"))
    monkeypatch.setattr(git, "commit", lambda name: name if name == "there" else None)

    def make(*overrides, folds=3, seeds=2, of_all=False, name=None):
        return crossval_plan.make_plan(None, list(overrides), folds, seeds, of_all, name)

    return make


def test_a_training_for_each_seed_and_fold(plan):
    made = plan("train.seed=7", "train.epochs=2", name="two")
    trainings = list(made.trainings())
    assert [(each.seed, each.fold) for each in trainings] == [(7, 1), (7, 2), (7, 3), (8, 1), (8, 2), (8, 3)]
    assert trainings[4].experiment == "two-s8-f2"
    assert trainings[4].values == {"train.epochs": 2, "split.fold": "2/3", "train.seed": 8}
    config = made.params_of(trainings[4])
    assert (config.split.fold, config.train.seed, config.train.epochs) == ("2/3", 8, 2)
    assert next(plan(of_all=True).trainings()).values["split.fold"] == "1/3 of all"


def test_a_value_may_name_the_fold(plan, monkeypatch):
    checked = []
    monkeypatch.setattr(prerequisites, "check_copies", lambda config: checked.append(config.data.unlabelled))
    made = plan("data.unlabelled=shop-%fold", "train.teacher=labels")
    assert [made.params_of(each).data.unlabelled for each in made.trainings()] == 2 * ["shop-1", "shop-2", "shop-3"]
    assert checked == ["shop-1", "shop-2", "shop-3"]
    assert made.config.data.unlabelled == "shop-1" and made.flat()["data.unlabelled"] == "shop-%fold"
    assert made.name not in (plan().name, plan("data.unlabelled=shop-1", "train.teacher=labels").name)


def test_folds_are_not_exported(plan):
    training = next(plan("export.formats=[tflite]").trainings())
    assert training.values["export.formats"] == []


def test_the_same_command_has_the_same_name_and_another_value_another(plan):
    assert plan().name == plan().name
    others = [plan("train.epochs=2"), plan(folds=4), plan(seeds=3), plan(of_all=True)]
    assert len({plan().name, *(other.name for other in others)}) == 5


@pytest.mark.parametrize(
    ("overrides", "options", "message"),
    [
        (["split.fold=1/2"], {}, "split.fold is what crossval sets"),
        ([], {"folds": 1}, "two are the fewest"),
        ([], {"name": "../x"}, "--name"),
        (["train.epoch=2"], {}, "did you mean train.epochs"),
    ],
)
def test_refused(plan, overrides, options, message):
    with pytest.raises(UserError, match=message):
        plan(*overrides, **options)


def test_a_training_is_finished_with_its_record_of_this_state_and_its_experiment(plan):
    made = plan()
    training = next(made.trainings())
    record = made.folder_of(training) / crossval_plan.RECORD
    assert made.record_of(training) is None and "finished 0" in made.text()
    record.parent.mkdir(parents=True)
    values = training.values
    for written, finished in [
        ({"tree": "tree", "values": values, "revision": "there"}, True),
        ({"tree": "another", "values": values, "revision": "there"}, False),
        ({"tree": "tree", "values": values, "revision": "gone"}, False),
        ({"tree": "tree", "values": values | {"train.epochs": 2}, "revision": "there"}, False),
        ({"tree": "tree", "values": values | {"split.fold": "1/5"}, "revision": "there"}, False),
        ({"tree": "tree", "revision": "there"}, False),
        ({}, False),
    ]:
        record.write_text(json.dumps(written), encoding="utf-8")
        assert (made.record_of(training) is not None) == finished
    record.write_text("half of a fil", encoding="utf-8")
    assert made.record_of(training) is None
