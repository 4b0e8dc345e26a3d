"""Photos and annotations that change, come, go or break after a run: what has to run again does, nothing else."""

import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from apparel.data.synthetic import dataset
from tests.end_to_end.test_pipeline import SETTINGS
from tests.support import project_copy

pytestmark = pytest.mark.slow

SHOP = Path("data/shop")
PREPARED = ["convert", "split", "tfrecord"]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with 40 imported photos, after one `dvc repro`."""
    folder = project_copy.copy(tmp_path_factory.mktemp("changed") / "project")
    dataset.draw_data_set(folder.parent / "shop", photos=40, empty=2, side=96, seed=3)
    done = project_copy.run(folder, "apparel", "import", "../shop", "--name", "shop")
    assert done.returncode == 0, done.stdout
    data = {"name": "shop", "classes": ["Dresses", "Tops"]}
    project_copy.set_params(folder / "params.yaml", **(SETTINGS | {"data": data, "split": {"val_fraction": 0.3}}))
    project_copy.set_params(folder / "params.yaml", train={"steps": 4, "validate_every": 1})
    assert _stages(folder) == [*PREPARED, "train", "eval"]
    project_copy.git(folder, "add", "--all")
    project_copy.git(
        folder, "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "--quiet", "-m", "run"
    )
    return folder


def _stages(folder: Path) -> list[str]:
    """The stages that `dvc repro` runs now."""
    done = project_copy.run(folder, "dvc", "repro")
    assert done.returncode == 0, done.stdout
    return re.findall(r"> python -m stages\.(\w+)", done.stdout)


def _annotated(folder: Path) -> tuple[Path, Path]:
    """An annotation file with a dress, and its photo."""
    for file in sorted((folder / SHOP / "annotations").iterdir()):
        if "<name>Dresses</name>" in file.read_text(encoding="utf-8"):
            return file, folder / SHOP / "photos" / f"{file.stem}.jpg"
    raise AssertionError("no dress")


def test_nothing_changed_nothing_runs(ran: Path) -> None:
    assert _stages(ran) == []


def test_a_comment_in_an_annotation_reruns_convert_alone(ran: Path) -> None:
    file, _ = _annotated(ran)
    file.write_text(file.read_text(encoding="utf-8") + "<!-- looked at -->\n", encoding="utf-8")
    assert _stages(ran) == ["convert"]


def test_a_photo_without_annotation_trains_nothing_again(ran: Path) -> None:
    Image.new("RGB", (96, 96), (200, 30, 40)).save(ran / SHOP / "photos" / "more.jpg")
    assert _stages(ran) == PREPARED
    (ran / SHOP / "photos" / "more.jpg").unlink()
    assert _stages(ran) == []  # back to what was: all from the cache


def test_a_moved_box_and_another_photo_rerun_all(ran: Path) -> None:
    file, photo = _annotated(ran)
    text = file.read_text(encoding="utf-8")
    file.write_text(re.sub(r"<xmax>(\d+)", lambda found: f"<xmax>{int(found[1]) - 1}", text), encoding="utf-8")
    Image.new("RGB", (96, 96), (30, 200, 40)).save(photo)
    assert _stages(ran) == [*PREPARED, "train", "eval"]


@pytest.mark.parametrize("part", ["photos", "annotations"])
def test_what_vanished_is_refused_by_name_and_comes_back_as_the_message_says(ran: Path, part: str) -> None:
    project_copy.git(ran, "add", "--all")
    project_copy.git(
        ran, "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "-qm", "now", "--allow-empty"
    )
    victim = sorted((ran / SHOP / part).iterdir())[0]
    victim.unlink()
    done = project_copy.run(ran, "dvc", "repro")
    assert done.returncode != 0
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("error: "))
    assert f"gone since the import: {SHOP / part / victim.name}" in line
    project_copy.git(ran, "restore", f"{SHOP}/{part}.dvc")
    assert project_copy.run(ran, "dvc", "checkout", f"{SHOP}/{part}.dvc").returncode == 0
    assert victim.is_file()
    assert _stages(ran) == []


def test_a_photo_taken_out_for_good_reruns_what_it_was_in(ran: Path) -> None:
    file, photo = _annotated(ran)
    for path, part in ((file, "annotations"), (photo, "photos")):
        path.unlink()
        listed = ran / SHOP / "lists" / f"{part}.txt"
        names = listed.read_text(encoding="utf-8").replace(f"{path.name}\n", "")
        listed.chmod(0o644)
        listed.write_text(names, encoding="utf-8")
    assert _stages(ran) == [*PREPARED, "train", "eval"]


@pytest.mark.parametrize(
    ("out", "file", "stage"),
    [
        ("data/results/convert", "labels.csv", "split"),
        ("data/results/split", "train.csv", "tfrecord"),
        ("data/results/tfrecord", "test-*.tfrecord", "eval"),
        ("data/results/train/model", "checkpoint/ckpt-0.data*", "eval"),
        ("data/results/train/model", "pipeline.config", "eval"),
        ("data/shop/photos", "drawn-*.jpg", "tfrecord"),
        ("data/shop/annotations", "drawn-*.xml", "convert"),
    ],
)
def test_a_file_damaged_in_dvcs_cache_is_named_by_the_stage_that_reads_it(
    ran: Path, out: str, file: str, stage: str
) -> None:
    path = sorted((ran / out).glob(file))[0]
    content = path.read_bytes()
    copies = [copy for copy in (ran / ".dvc/cache/files").rglob("*") if copy.is_file() and copy.read_bytes() == content]
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    (copy,) = copies
    _write(copy, bytes(flipped))
    shutil.rmtree(ran / out)
    assert project_copy.run(ran, "dvc", "checkout", out).returncode == 0
    assert path.read_bytes() == flipped  # DVC does not look
    done = project_copy.run(ran, f"stages.{stage}")
    assert done.returncode == 1, done.stdout
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("error: "))
    assert path.relative_to(ran).as_posix() in line
    _write(copy, content)
    _write(path, content)


def _write(path: Path, content: bytes) -> None:
    """In place, with its permissions as they were."""
    mode = path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(mode)
