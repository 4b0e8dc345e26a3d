"""Two runs in MLflow's own pages, in headless Chromium: which class got better, what was changed, and the pictures."""

import json
import os
import re

import pytest
from lxml import html

from apparel import params, paths
from apparel.evaluation import evaluate, report
from apparel.tracking import local_runs
from apparel.tracking import runs as tracking
from apparel.tracking.outbox import find_outbox
from apparel.tracking.sender import Sender
from tests.support import chromium, measured_project, project_copy, silent_sender
from tests.support.repository import ROOT
from tests.support.servers import served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="ends processes with POSIX signals"),
]

NAMES = [f"{number}.png" for number in range(8)]
SERIES = "detections on test"
METRICS = [f"test/AP50/{name}" for name in measured_project.CLASSES]

STEP_THROUGH = """{
    document.querySelectorAll("div").forEach(each => each.scrollTop = 1e9);
    const picture = document.querySelector("img[src^=get-artifact]"), seen = document.body.dataset;
    if (picture?.naturalWidth && !seen.pictures?.includes(picture.src)) {
        seen.pictures += " seen " + picture.src;
        const right = new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true});
        document.querySelector("[role=slider]").dispatchEvent(right);
    }
}"""
"""Scrolls down to the pictures, and presses the slider's key once for each that has been drawn."""


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two runs, each by its id in MLflow, with their AP50; the second has another learning rate."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(tracking, "SenderProcess", silent_sender.Nobody)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME", "DVC_EXP_NAME"):
        monkeypatch.delenv(name, raising=False)
    measured_project.new(tmp_path)
    before = send("before", 0.004, {"Dresses": 0.2, "Skirts": 0.5, "Tops": 0.9})
    return dict([before, send("after", 0.0015, {"Dresses": 0.9, "Skirts": 0.5, "Tops": 0.2})])


def send(name, learning_rate, detected):
    """A run as train and eval make it; returns its id in MLflow, and its AP50 as MLflow writes them."""
    project_copy.set_params(paths.PARAMS, train={"learning_rate": learning_rate})
    test = measured_project.write(NAMES, detected)
    figures = evaluate.metrics_by_name(test)
    with tracking.open_run(params.load(), name, name=name) as run:
        run.log_metrics(figures)
        for step, photo in enumerate(NAMES):
            image = (paths.photos("demo") / photo).read_bytes()
            run.log_image(report.draw_photo(test, photo, image), SERIES, step)
    Sender(find_outbox(run.id)).send()
    return local_runs.mlflow_id(run.id), {metric: f"{round(figures[metric], 3):g}" for metric in METRICS}


def test_two_runs_show_which_class_got_better_and_what_was_changed_and_their_pictures(runs, tmp_path):
    identities = json.dumps(list(runs), separators=(",", ":"))
    with served("ui", "health") as address:
        page = f"{address}/#/compare-runs?runs={identities}&experiments=[%221%22]"
        figures = [f">{figure}<" for each in runs.values() for figure in each.values()]
        compared = chromium.wait_for(["before", "after", *METRICS, *figures], page, tmp_path / "browser")
        check_compared(html.fromstring(compared), *runs.values())
        for identity in runs:
            page = f"{address}/#/experiments/1/runs/{identity}/model-metrics?workflowType=machine_learning"
            source = f"seen {address}/get-artifact?path=images%2F{SERIES.replace(' ', '%20')}%2Bstep%2B"
            pictures = [f"{source}{step}%2B" for step in range(len(NAMES))]
            chromium.wait_for([SERIES, *pictures], page, tmp_path / "browser", STEP_THROUGH)


def check_compared(page, before, after):
    """Each class has both runs' AP50 in its row, and of the parameters the one that was changed is marked."""
    for metric in METRICS:
        (row,) = page.xpath("//a[text() = $metric]/..", metric=metric)
        height = re.search(r"top: \d+px", row.get("style")).group()
        table = row.xpath("ancestor::*[@role = 'grid']/../..")[0]
        cells = table.xpath(".//div[contains(@style, $height)]//span/text()", height=height)
        assert cells == [before[metric], after[metric]]
    marked = page.xpath("//tr[contains(@class, 'diff-row')]")
    changed = {row.findtext("th"): row.xpath("td//text()") for row in marked}
    assert {key: both for key, both in changed.items() if key in params.load().flat()} == {
        "train.learning_rate": ["0.004", "0.0015"]
    }
