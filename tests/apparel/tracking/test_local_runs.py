import pytest

from apparel.tracking import local_runs, outbox
from apparel.tracking.outbox import Outbox, RunHeader
from apparel.utils import files

MODEL = "0123456789abcdef0123456789abcdef.dir"


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """The outbox of a run that trained `MODEL` in two parts of 10 and 20 seconds, a minute apart."""
    monkeypatch.chdir(tmp_path)
    run_outbox = Outbox.create(RunHeader(server="sqlite:///mlflow.db", experiment="demo", name="a run", start=0))
    for second, status in ((0, "RUNNING"), (10, None), (70, "RUNNING"), (90, "FINISHED")):
        monkeypatch.setattr(outbox, "now_ms", lambda second=second: 1000 * second)
        if status:
            run_outbox.append("status", {"status": status})
        else:
            run_outbox.append("metrics", {"train/loss": 1.0})
    files.write_text(local_runs.model_record(MODEL), run_outbox.id)
    return run_outbox


def test_the_time_between_two_parts_of_a_training_does_not_count(trained):
    assert local_runs.training_seconds(MODEL) == 30


def test_a_model_leads_to_its_run(trained):
    assert local_runs.recorded_run(MODEL) is None  # MLflow has not heard of it
    trained.advance("a" * 32, 0)
    assert local_runs.recorded_run(MODEL) == "a" * 32


def test_a_model_that_was_not_trained_here_has_no_run_and_no_duration(trained):
    assert local_runs.recorded_run("f" * 32) is None
    assert local_runs.training_seconds("f" * 32) is None


def test_an_unfinished_training_has_no_duration(trained):
    record = local_runs.model_record("e" * 32)
    run_outbox = Outbox.create(trained.header)
    run_outbox.append("status", {"status": "RUNNING"})
    files.write_text(record, run_outbox.id)
    assert local_runs.training_seconds("e" * 32) is None
    assert local_runs.is_open(run_outbox.id) and not local_runs.is_open(trained.id)


def test_the_last_finished_training_has_its_steps_and_parameters(trained):
    assert local_runs.last_training() is None  # neither steps nor parameters were recorded
    trained.append("params", {"train.epochs": "3"})
    trained.append("metrics", {"train/loss": 0.5}, step=40)
    assert local_runs.last_training() == local_runs.FinishedTraining(30, 40, {"train.epochs": "3"})


def test_validations_have_the_seconds_that_the_training_ran_until_then(trained, monkeypatch):
    assert local_runs.validations() == []
    for second, step, map50 in ((5, 40, 0.4), (25, 80, 0.6)):
        monkeypatch.setattr(outbox, "now_ms", lambda second=second: 1000 * (90 + second))
        trained.append("metrics", {"val/loss": 1.0, "val/mAP50": map50}, step=step)
    trained.append("metrics", {"val/mAP50": 0.6})  # of eval, which has no step
    first, second = local_runs.Validation(35, 40, 0.4), local_runs.Validation(55, 80, 0.6)
    assert local_runs.validations() == [("a run", [first, second])]
