import re

import pytest

from tests.end_to_end.test_pipeline import PHOTOS, SETTINGS
from tests.support import project_copy

PARTS = ["experiment set-up", "imports", "model and", "graph tracing", "evaluation on val", "results kept"]


@pytest.mark.slow
def test_it_names_what_a_trial_costs_beside_its_steps(tmp_path):
    folder = project_copy.copy(tmp_path / "project")
    project_copy.set_params(folder / "params.yaml", **SETTINGS)
    project_copy.set_params(folder / "data" / "demo" / "params.yaml", draw=PHOTOS)
    project_copy.git(folder, "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "-qam", "small")
    done = project_copy.run(folder, "benchmarks", "sweep", "--steps", "10", "--rounds", "1")
    assert done.returncode == 0, done.stdout
    seconds = {name: float(value) for value, name in re.findall(r"^ +(-?[\d.]+)  (.+)$", done.stdout, re.MULTILINE)}
    (cost,) = [value for name, value in seconds.items() if name.startswith("a trial costs")]
    parts = [value for part in PARTS for name, value in seconds.items() if name.startswith(part)]
    assert len(parts) == len(PARTS)
    assert cost == pytest.approx(sum(parts), abs=0.5)
    assert not (folder / "optuna.db").exists() and not (folder / "mlflow.db").exists()
