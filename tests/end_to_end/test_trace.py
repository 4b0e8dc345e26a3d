"""`apparel trace` as it is typed, after a real run: all whole, then one link after another broken."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from apparel.versioning import dvc_hash
from tests.end_to_end.test_pipeline import SETTINGS
from tests.support import project_copy
from tests.support.three_stage_project import commit

pytestmark = pytest.mark.slow

DETECTIONS = "data/results/eval/detections.csv"
METRICS = "data/results/eval/metrics.json"
MODEL = "data/results/train/model"
SHARD = "data/results/tfrecord/train-00000-of-00002.tfrecord"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project that drew, trained and measured, with all of it committed."""
    folder = project_copy.copy(tmp_path_factory.mktemp("traced") / "project")
    project_copy.git(folder, "config", "user.name", "test")
    project_copy.git(folder, "config", "user.email", "test@localhost")
    project_copy.set_params(folder / "params.yaml", **SETTINGS)
    project_copy.set_params(folder / "params.yaml", train={"steps": 2, "validate_every": 1, "learning_rate": 0.003})
    project_copy.set_params(
        folder / "data" / "demo" / "params.yaml", draw={"photos": 48, "photos_without_garment": 2, "size": 96}
    )
    commit(folder, "small")
    done = project_copy.run(folder, "dvc", "repro")
    assert done.returncode == 0, done.stdout
    commit(folder, "results")
    return folder


@pytest.fixture
def shop(ran: Path, tmp_path: Path) -> Path:
    return shutil.copytree(ran, tmp_path / "project", symlinks=True)


def trace(folder: Path, what: str) -> tuple[int, dict, str]:
    """The exit status, what was printed for programs, and what for a person."""
    command = [sys.executable, "-m", "apparel", "trace", what, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.chmod(0o644)
    path.write_text(text.replace(old, new), encoding="utf-8")


def cached(folder: Path, name: str) -> Path:
    md5 = dvc_hash.file_md5(folder / name)
    return folder / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]


def damage_shard(folder: Path) -> None:
    flip(cached(folder, SHARD))
    flip(folder / SHARD)


def rewrite_history(folder: Path) -> None:
    project_copy.git(folder, "checkout", "--quiet", "--orphan", "rewritten")
    commit(folder, "all in one")
    for branch in project_copy.git(folder, "branch", "--format=%(refname:short)").split():
        if branch != "rewritten":
            project_copy.git(folder, "branch", "--quiet", "-D", branch)
    project_copy.git(folder, "reflog", "expire", "--expire=now", "--all")
    project_copy.git(folder, "gc", "--quiet", "--prune=now")


def test_all_holds_for_a_result_and_for_a_copy_of_it_elsewhere(shop: Path) -> None:
    copy = shutil.copy(shop / DETECTIONS, shop.parent / "received.csv")
    for what in (METRICS, str(copy)):
        status, printed, errors = trace(shop, what)
        assert (status, printed["whole"], [link for link in printed["links"] if link["problem"]]) == (0, True, [])
        assert "error" not in errors
        assert {"photos", "annotations", "split", "TFRecords", "start checkpoint", "run", "commit", "parameters"} <= {
            link["kind"] for link in printed["links"]
        }


FAULTS = {
    "a photo": (
        lambda at: flip(next((at / "data/demo/photos").iterdir())),
        ["photos"],
        r"dvc checkout data/demo/photos",
    ),
    "an annotation": (lambda at: next((at / "data/demo/annotations").iterdir()).unlink(), ["annotations"], "checkout"),
    "a shard and its copy in the cache": (
        damage_shard,
        ["TFRecords"],
        "damaged in DVC's cache: train-00000.*dvc repro",
    ),
    "the weights": (lambda at: flip(next((at / MODEL).rglob("*.data-*"))), ["model"], "ckpt.*data.*dvc checkout"),
    "a parameter of dvc.lock": (
        lambda at: replace(at / "dvc.lock", "learning_rate: 0.003", "learning_rate: 0.3"),
        ["run", "parameters"],
        "train.learning_rate",
    ),
    "the runs": (lambda at: (at / "mlflow.db").unlink(), ["run"], "MLFLOW_TRACKING_URI"),
    "the commit": (rewrite_history, ["commit"], "git fetch"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_link_is_named_and_the_exit_status_says_so(shop: Path, fault: str) -> None:
    break_it, kinds, words = FAULTS[fault]
    break_it(shop)
    status, printed, errors = trace(shop, METRICS)
    broken = {link["kind"]: link["problem"] for link in printed["links"] if link["problem"]}
    assert (status, printed["whole"], list(broken)) == (1, False, kinds)
    assert all(re.search(words, problem) for problem in broken.values()), broken
    assert re.search("error: .* broken or missing", errors)


def edited_copy(folder: Path) -> str:
    first, second, *others = (folder / DETECTIONS).read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "copy.csv").write_text("".join([first, second.replace("1", "2"), *others]), encoding="utf-8")
    return "copy.csv"


def edited_metrics(folder: Path) -> str:
    replace(folder / METRICS, "0.", "0.9")
    return METRICS


UNKNOWN = {
    "metrics edited by hand": (edited_metrics, f"changed after it was made.*git restore {METRICS}"),
    "a copy with another row": (edited_copy, "no commit and no experiment of this clone"),
    "no experiment": (lambda folder: "sixx", "'sixx' is no file, experiment or commit"),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_what_nothing_made_is_refused(shop: Path, case: str) -> None:
    prepare, words = UNKNOWN[case]
    status, printed, errors = trace(shop, prepare(shop))
    assert (status, printed["whole"]) == (1, False)
    assert re.search(words, printed["error"])
    assert errors.strip() == f"error: {printed['error']}"
