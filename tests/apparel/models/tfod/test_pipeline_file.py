"""Pipeline files of the Object Detection API: read, written, and refused by name."""

from pathlib import Path

import pytest

from apparel.errors import UserError
from apparel.models.tfod import pipeline_file
from tests.support.repository import ROOT

CONFIGS = sorted((ROOT / "configs").glob("*.config"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_file_is_the_same_after_it_was_written(tmp_path: Path, path: Path) -> None:
    config = pipeline_file.read(path)
    pipeline_file.write(config, tmp_path / "pipeline.config")
    assert pipeline_file.read(tmp_path / "pipeline.config") == config


def test_a_missing_file_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"sdd\.config not found$"):
        pipeline_file.read(tmp_path / "sdd.config")
    (tmp_path / "ssd.config").touch()
    with pytest.raises(UserError, match=r"sdd\.config not found.*did you mean 'ssd'"):
        pipeline_file.read(tmp_path / "sdd.config")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe", "is not a text file"),
        (b"model {\n  sdd { }\n}\n", "is not a pipeline file of the Object Detection API, line 2:"),
        (b"train_config {", "is not a pipeline file of the Object Detection API, line 1:"),
        (b"train_config { gradient_clipping_by_norm: -inf }", "gradient_clipping_by_norm: -inf is no finite number"),
        (
            b"model { ssd { box_predictor { convolutional_box_predictor { max_depth: 2000000000 } } } }",
            "max_depth: 2,000,000,000 is more than a detector that fits into memory has",
        ),
        (
            b"model { ssd { anchor_generator { ssd_anchor_generator { scales: [" + b"1," * 100_001 + b"1] } } } }",
            "scales: ",
        ),
        (b"# " * 600_000, "is larger than 1,000,000 bytes"),
    ],
)
def test_what_is_no_pipeline_file_is_refused_by_name(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "mine.config").write_bytes(content)
    with pytest.raises(UserError, match=rf"mine\.config:? {words}"):
        pipeline_file.read(tmp_path / "mine.config")


def test_steps_keep_the_order_of_their_names_and_the_options_of_the_file() -> None:
    config = pipeline_file.PipelineConfig()
    config.train_config.data_augmentation_options.add().random_adjust_brightness.max_delta = 0.5
    names = ("random_horizontal_flip", "random_adjust_brightness")
    flip, brightness = pipeline_file.augmentation_steps(names, config)
    assert flip.WhichOneof("preprocessing_step") == "random_horizontal_flip"
    assert brightness.random_adjust_brightness.max_delta == 0.5
    (default,) = pipeline_file.augmentation_steps(names[1:], pipeline_file.PipelineConfig())
    assert default.random_adjust_brightness.max_delta == pytest.approx(0.2)  # the API's own


def test_a_step_that_makes_more_boxes_is_refused() -> None:
    with pytest.raises(UserError, match="more boxes"):
        pipeline_file.augmentation_steps(("random_self_concat_image",), pipeline_file.PipelineConfig())


def test_an_unknown_step_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UserError, match="did you mean 'random_horizontal_flip'"):
        pipeline_file.augmentation_steps(("random_horizontal_flop",), pipeline_file.PipelineConfig())
