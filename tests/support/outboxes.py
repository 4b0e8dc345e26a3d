"""Outboxes of runs, and whether MLflow has all that was in them."""

import math

from apparel.tracking.outbox import Outbox, RunHeader
from apparel.tracking.run_lookup import ID_TAG
from apparel.tracking.server import LOCAL_SERVER


def new_outbox(**fields):
    header = {"server": LOCAL_SERVER, "experiment": "demo", "name": "a run", "start": 1000} | fields
    return Outbox.create(RunHeader(**header))


def add_file(outbox, name, text, folder=None):
    file = outbox.new_file(name)
    (outbox.folder / file).write_text(text)
    outbox.append("file", {"place": file, "folder": folder})


def fill(outbox):
    """A complete run: 50 steps, and one line of each other kind."""
    outbox.append("status", {"status": "RUNNING"})
    outbox.append("params", {"train.steps": "50"})
    outbox.append("tags", {"git.dirty": "false"})
    outbox.append("inputs", {"path": "data/demo/photos", "context": "training", "md5": "1" * 32 + ".dir", "nfiles": 3})
    for step in range(50):
        outbox.append("metrics", {"train/loss": 1 / (step + 1), "val/mAP50": math.nan if step == 0 else 0.5}, step)
    add_file(outbox, "1.png", "picture", "pictures/best")
    outbox.append("status", {"status": "FINISHED"})


def runs_of(client, outbox):
    experiment = client.get_experiment_by_name(outbox.header.experiment).experiment_id
    return client.search_runs([experiment], f"tags.`{ID_TAG}` = '{outbox.id}'")


def check_whole(client, outbox):
    (run,) = runs_of(client, outbox)
    history = client.get_metric_history(run.info.run_id, "train/loss")
    assert [(point.step, point.value) for point in history] == [(step, 1 / (step + 1)) for step in range(50)]
    assert len(client.get_metric_history(run.info.run_id, "val/mAP50")) == 50
    assert run.data.params == {"train.steps": "50"}
    assert run.data.tags["git.dirty"] == "false"
    assert run.info.status == "FINISHED"
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("data/demo/photos", "1" * 32 + ".dir")
    (file,) = client.list_artifacts(run.info.run_id, "pictures/best")
    assert file.path == "pictures/best/1.png"
    return run
