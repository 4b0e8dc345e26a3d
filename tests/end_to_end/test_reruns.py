"""An edit of a module reruns the stages whose outputs it can change, and no other; of code that only reports, none."""

import pytest
from dvc.repo import Repo

from tests.support import fast_project

DRAW = "data/demo/dvc.yaml:draw"
STAGES = {
    "apparel/utils/files.py": [DRAW, "check", "convert", "split", "tfrecord", "train", "eval"],
    "apparel/data/synthetic/garments.py": [DRAW],
    "apparel/models/prerequisites.py": ["check"],
    "apparel/models/pipeline_config.py": ["check", "train"],
    "apparel/annotations/class_list.py": ["convert"],
    "apparel/annotations/pascal_voc.py": ["convert"],
    "apparel/images.py": ["convert", "split", "tfrecord", "eval"],
    "apparel/data/duplicates.py": ["split"],
    "apparel/data/shards.py": ["tfrecord"],
    "apparel/data/index.py": ["tfrecord", "train", "eval"],
    "apparel/models/detector.py": ["train", "eval"],
    "apparel/models/tfod/augmentation.py": ["train"],
    "apparel/training/mosaic.py": ["train"],
    "apparel/training/loop.py": ["train"],
    "apparel/inference/predictor.py": ["train", "eval"],
    "apparel/evaluation/metrics.py": ["train", "eval"],
    "apparel/evaluation/coco.py": ["eval"],
    "apparel/evaluation/report.html": ["eval"],
    "apparel/tracking/runs.py": [],
    "apparel/tracking/outbox.py": [],
    "apparel/tracking/sender.py": [],
    "apparel/versioning/provenance.py": [],
    "apparel/versioning/durations.py": [],
    "apparel/training/progress.py": [],
    "apparel/training/trial_messages.py": [],
    "apparel/analysis/vega.py": [],
    "apparel/analysis/inspect_page.html": [],
    "apparel/sweeps/driver.py": [],
    "apparel/cli/results.py": [],
}
"""The stages that an edit of each file has to rerun."""


pytestmark = pytest.mark.slow  # a whole pipeline before the first; tests/test_dvc_yaml.py compares what stages import


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = fast_project.copy(tmp_path_factory.mktemp("reruns"))
    fast_project.repro(folder)
    return folder


@pytest.mark.parametrize("module", STAGES)
def test_an_edit_reruns_exactly_the_stages_whose_outputs_it_can_change(ran, module, monkeypatch):
    monkeypatch.chdir(ran)
    path = ran / module
    before = path.read_bytes()
    try:
        path.write_bytes(before + (b"<!-- edited -->\n" if path.suffix == ".html" else b"# edited\n"))
        with Repo() as repo:
            changed = repo.status()
    finally:
        path.write_bytes(before)
    assert set(changed) == set(STAGES[module])


def test_without_an_edit_nothing_reruns(ran, monkeypatch):
    monkeypatch.chdir(ran)
    with Repo() as repo:
        assert repo.status() == {}
