"""What cannot work is refused by the stage that meets it: one line, which names what is wrong and the remedy."""

import importlib
import re
import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest

from apparel import errors, paths
from apparel.data.synthetic import dataset
from apparel.tracking import runs
from tests.support import project_copy, tiny_detector
from tests.support.repository import ROOT

STAGES = ["check", "convert", "split", "tfrecord", "train", "eval"]
CLASSES = ["Dresses", "Tops"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with 24 drawn photos, as the current folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "configs", "configs")
    shutil.copy(ROOT / "params.yaml", paths.PARAMS)
    dataset.draw_data_set(paths.DATA / "demo", photos=24, empty=1, side=96, seed=3)
    project_copy.set_params(paths.PARAMS, data={"classes": CLASSES})
    return tmp_path


def refusal(stage: str) -> str:
    """The one line that a stage ends with."""
    with pytest.raises(SystemExit) as stopped:
        errors.run(importlib.import_module(f"stages.{stage}").main)
    message = str(stopped.value)
    assert message.startswith("error: ")
    return message


def done(*stages: str) -> None:
    for stage in stages:
        errors.run(importlib.import_module(f"stages.{stage}").main)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "  batch_size:",
            "  batchsize:",
            "train.batch_size is missing; train.batchsize is unknown; did you mean 'batch",
        ),
        (
            "  first_pixel: 0",
            "  first_pixel: left",
            "convert.first_pixel: input should be a valid integer, found 'left'",
        ),
        ("tfrecord:\n", "tfrecords:\n", "tfrecord is missing; tfrecords is unknown; did you mean 'tfrecord'"),
    ],
)
def test_parameters_by_every_stage(folder: Path, stage: str, old: str, new: str, message: str) -> None:
    text = paths.PARAMS.read_text(encoding="utf-8")
    assert text.count(old) == 1
    paths.PARAMS.write_text(text.replace(old, new), encoding="utf-8")
    assert message in refusal(stage)


def test_a_class_that_does_not_occur(folder: Path) -> None:
    project_copy.set_params(paths.PARAMS, data={"classes": ["Dreses", "Tops"]})
    assert "no box is labelled 'Dreses'; did you mean 'Dresses'" in refusal("convert")


def test_a_label_that_the_list_all_but_covers(folder: Path) -> None:
    file = next(file for file in paths.annotations("demo").iterdir() if "<name>Tops<" in file.read_text())
    file.write_text(file.read_text().replace("<name>Tops<", "<name>tops<"))
    assert re.search(
        r"boxes are labelled 'tops', which is not in data\.classes but looks like 'Tops'", refusal("convert")
    )


def test_a_split_without_photos(folder: Path) -> None:
    (paths.lists("demo") / "test.txt").write_text("".join(f"{p.name}\n" for p in paths.photos("demo").iterdir()))
    project_copy.set_params(paths.PARAMS, split={"test_list": "test.txt"})
    done("convert")
    assert "would have no photos" in refusal("split")


@pytest.mark.parametrize("part", ["photos", "annotations"])
def test_what_came_with_the_import_and_is_gone(folder: Path, part: str) -> None:
    names = sorted(path.name for path in (paths.DATA / "demo" / part).iterdir())
    (paths.lists("demo") / f"{part}.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    done("convert")
    for name in names[3:5]:
        (paths.DATA / "demo" / part / name).unlink()
    message = refusal("convert")
    assert f"{names[3]} and 1 more" in message
    assert f"git restore data/demo/{part}.dvc, then dvc checkout" in message


def test_a_photo_that_vanished_after_convert(folder: Path) -> None:
    done("convert", "split")
    photo = sorted(paths.photos("demo").iterdir())[3]
    photo.unlink()
    assert f"missing: {photo}; import the photos again" in refusal("tfrecord")


@pytest.mark.parametrize(
    ("damaged", "stage", "message"),
    [
        (paths.LABELS, "split", "labels.csv is damaged: its content is not what convert wrote"),
        (paths.PHOTOS_TABLE, "tfrecord", "photos.csv is damaged: its content is not what convert wrote"),
        (paths.SPLIT / "val.csv", "tfrecord", "val.csv is damaged: its content is not what split wrote"),
    ],
)
def test_a_table_that_was_damaged_between_stages(folder: Path, damaged: Path, stage: str, message: str) -> None:
    done("convert", "split")
    damaged.write_bytes(damaged.read_bytes().replace(b"drawn-", b"drown-"))
    assert message in refusal(stage)


def test_nothing_to_work_on(folder: Path) -> None:
    shutil.rmtree(paths.DATA)
    for stage, message in {
        "convert": "dvc repro draws them",
        "split": "not found",
        "tfrecord": "not found",
        "train": "run `dvc repro tfrecord`",
        "eval": "run `dvc repro tfrecord`",
    }.items():
        assert message in refusal(stage)


@pytest.fixture
def training(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project with tiny TFRecords; MLflow, which has tests of its own, is left out."""
    tiny_detector.records(folder)
    monkeypatch.setattr(runs, "open_run", lambda *_: nullcontext())
    project_copy.set_params(paths.PARAMS, data={"classes": list(tiny_detector.CLASSES)}, train=_small())
    return folder


def _small() -> dict:
    small = tiny_detector.train_params().model_dump(exclude={"freeze"})
    return small | {"augmentation": list(small["augmentation"])}


def test_a_checkpoint_of_another_shape(training: Path) -> None:
    from apparel.models.detector import Detector

    wide = tiny_detector.train_params(depth_multiplier=0.5)
    Detector(tiny_detector.config(wide), tiny_detector.CLASSES).save(paths.PRETRAINED / "zoo")
    project_copy.set_params(paths.PARAMS, train={"checkpoint": "zoo"})
    assert re.search(r"zoo.*of another shape than the detector.*check .*train\.depth_multiplier", refusal("train"))


@pytest.mark.parametrize("resolution", [31, 32, 4097, 96.5, "large"])
def test_a_resolution_that_the_detector_cannot_take(training: Path, resolution: object) -> None:
    project_copy.set_params(paths.PARAMS, train={"resolution": resolution})
    assert re.search(
        r"train\.resolution(: input should be| is 32: the detector takes 33 pixels or more)", refusal("train")
    )


def test_a_checkpoint_and_a_detector_that_are_not_there(training: Path) -> None:
    project_copy.set_params(paths.PARAMS, train={"checkpoint": "coco"})
    assert "coco" in refusal("train")
    project_copy.set_params(paths.PARAMS, train={"checkpoint": "none", "detector": "ssd_mobilenet_v9"})
    assert "ssd_mobilenet_v9" in refusal("train")
