import re

import pytest

from tests.end_to_end.test_pipeline import PHOTOS, SETTINGS
from tests.support import project_copy

PARTS = ["set-up", "model and", "graph tracing", "evaluation on val", "results kept"]


@pytest.mark.slow
def test_it_names_what_a_trial_costs_beside_its_steps(tmp_path):
    folder = project_copy.copy(tmp_path / "project")
    project_copy.set_params(folder / "params.yaml", **SETTINGS)
    project_copy.set_params(folder / "data" / "demo" / "params.yaml", draw=PHOTOS)
    project_copy.git(folder, "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "-qam", "small")
    done = project_copy.run(folder, "benchmarks", "sweep", "--steps", "10", "--rounds", "1")
    assert done.returncode == 0, done.stdout
    whole, steps, parts = re.search(
        r"a trial of a sweep +\| ([\d.]+) s +\| its steps alone: ([\d.]+) s +\|.*; besides them (.*) \|", done.stdout
    ).groups()
    seconds = {name: float(value) for name, value in re.findall(r"([a-zA-Z].*?) (-?[\d.]+) s(?:, |$)", parts.strip())}
    assert [name for name in PARTS if not any(part.startswith(name) for part in seconds)] == []
    assert float(whole) == pytest.approx(float(steps) + sum(seconds.values()), abs=0.5)
    assert not (folder / "optuna.db").exists() and not (folder / "mlflow.db").exists()
