"""The plan of a sweep, as it is shown before it starts."""

import pytest

from apparel.analysis import run_plan
from apparel.errors import UserError
from apparel.sweeps import config, search_space, storage
from apparel.sweeps.config import SweepConfig
from apparel.sweeps.plan import Plan, make_plan
from apparel.sweeps.snapshot import Snapshot
from apparel.tracking import local_runs
from apparel.utils import yaml
from tests.support import planned_sweep, studies
from tests.support.repository import ROOT

SPACE = {
    "train.resolution": {"choice": [300, 512]},
    "train.batch_size": [{"when": {"train.resolution": 512}, "choice": [4, 8]}, {"choice": [8, 16]}],
}


def sweep_config(**changes) -> SweepConfig:
    settings = {"study": "tiny", "budget": {"trials": 4}, "pruner": {"kind": "none"}, "space": SPACE}
    return config.parse_config(settings | changes, "here")


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [(None, ": 30 minutes"), (41, ": 30 minutes"), (30, "new ones begin for 20"), (9, "begin for 0")],
)
def test_the_plan_counts_what_a_budget_has_left(minutes, expected):
    settings = sweep_config(budget={"trials": 4, "minutes": minutes})
    plan = Plan(settings, None, None, "", workers=1, study=studies.one_trial_of_ten_minutes())
    assert plan._time().endswith(expected)


def test_the_plan_shows_space_budget_and_where_the_results_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = sweep_config(pruner={"kind": "median"}, fixed={"train.epochs": 3})
    space = search_space.build(settings, yaml.load(ROOT / "params.yaml"), "here")
    snapshot = Snapshot(commit="a" * 40, state="b" * 40, tree="c" * 40)
    lines = Plan(settings, space, snapshot, storage.LOCAL, workers=2, study=None).text().splitlines()
    assert lines[0] == "sweep tiny: val/mAP50 (maximize)"
    shown = {" ".join(line.split()) for line in lines}
    assert "train.batch_size if train.resolution=512 choice of 4, 8" in shown
    assert "fixed: train.epochs 3" in shown
    assert "budget 4 trials; 2 at a time" in shown
    assert "pruner median, not the first 4 trials, nor before validation 2" in shown
    assert "time unknown until the first trial has ended" in shown
    assert "code commit aaaaaaa, with uncommitted changes" in shown
    assert "logs in .apparel/sweeps/tiny/trials" in lines[-1]


@pytest.mark.parametrize(
    ("fixed", "steps"), [({"train.steps": 80}, 80), ({"train.epochs": 2, "train.steps": None}, 20)]
)
def test_the_time_of_a_trial_counts_its_steps_and_what_it_costs_beside_them(tmp_path, monkeypatch, fixed, steps):
    monkeypatch.chdir(tmp_path)
    settings = sweep_config(fixed=fixed, space={"train.learning_rate": {"choice": [0.004, 0.01]}})
    space = search_space.build(settings, yaml.load(ROOT / "params.yaml"), "here")
    texts = {name: str(value) for name, value in space.base.items()}
    monkeypatch.setattr(local_runs, "last_training", lambda: local_runs.FinishedTraining(60, 40, texts))
    monkeypatch.setattr(run_plan, "training_photos", lambda config, stages: 10 * config.train.batch_size)
    seconds, judged_by = Plan(settings, space, None, "", workers=1, study=None)._seconds_per_trial()
    assert seconds == pytest.approx(60 * steps / 40 + 30)
    assert judged_by == f"{steps} steps; the last training took 60 s for 40; 30 s a training beside it"


def test_a_grid_has_as_many_trials_as_points_unless_the_budget_has_fewer():
    for budget, trials in (({}, 4), ({"trials": 3}, 3)):
        space = {"train.seed": {"choice": [0, 1, 2, 3]}}
        settings = sweep_config(sampler={"kind": "grid"}, budget=budget, space=space)
        built = search_space.build(settings, yaml.load(ROOT / "params.yaml"), "here")
        assert Plan(settings, built, None, "", workers=1, study=None).trials == trials


@pytest.mark.parametrize(
    ("fixed", "message"),
    [
        ({"train.detector": "ssd_mobilenet_v11"}, "not found; did you mean 'ssd_mobilenet_v1'"),
        ({"train.checkpoint": "cocoo"}, "there are no weights 'data/pretrained/cocoo'"),
        (
            {"train.detector": "ssd_mobilenet_v1_fpnlite"},
            r"_fpnlite\.config: multiscale_anchor_generator has no aspect_",
        ),
    ],
)
def test_what_the_first_trial_would_fail_on_is_refused_before_it(tmp_path, monkeypatch, fixed, message):
    monkeypatch.chdir(tmp_path)
    planned_sweep.make(tmp_path)
    pyramid = tmp_path / "configs" / "ssd_mobilenet_v1_fpnlite.config"
    pyramid.write_text(pyramid.read_text(encoding="utf-8").replace("aspect_ratios", "# "), encoding="utf-8")
    planned_sweep.write_config(fixed=fixed)
    with pytest.raises(UserError, match=message):
        make_plan(planned_sweep.CONFIG, storage.LOCAL, 1, {})
