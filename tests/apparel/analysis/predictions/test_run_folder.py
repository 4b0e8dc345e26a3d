"""The folder of a prediction run goes on with the same run, and refuses any other."""

from dataclasses import replace
from pathlib import Path

import pytest

from apparel.analysis.predictions import run_folder
from apparel.analysis.predictions.run_folder import RunHeader, open_folder
from apparel.errors import UserError

HEADER = RunHeader("1", "a.dir", "ssd", "model", "TensorFlow", {"Tops": 0.5}, None, [], ["shop"], "apparel predict")


def test_the_same_run_goes_on_even_by_another_command_line(tmp_path):
    for header in (HEADER, replace(HEADER, command="apparel predict ./shop", version="2")):
        with open_folder(tmp_path / "run", header):
            pass


@pytest.mark.parametrize(
    "change",
    [
        {"model": "b.dir"},
        {"runtime": "TensorFlow Lite"},
        {"thresholds": {"Tops": 0.6}},
        {"lowest_score": 0.1},
        {"outputs": ["json"]},
        {"sources": ["shop", "other"]},
    ],
)
def test_another_run_is_refused(tmp_path, change):
    with open_folder(tmp_path / "run", HEADER):
        pass
    with pytest.raises(UserError, match="--out"), open_folder(tmp_path / "run", replace(HEADER, **change)):
        pass


def test_a_second_run_at_the_same_time_is_refused(tmp_path):
    with (
        open_folder(tmp_path / "run", HEADER),
        pytest.raises(UserError, match="another `apparel predict` works in"),
        open_folder(tmp_path / "run", HEADER),
    ):
        pass


@pytest.mark.parametrize("content", ["", "[]", "{}", "[" * 100_000, '{"model": 1}'])
def test_a_damaged_header_is_refused(tmp_path, content):
    (tmp_path / run_folder.HEADER).write_text(content, encoding="utf-8")
    with pytest.raises(UserError), open_folder(tmp_path, HEADER):
        pass


def test_other_files_are_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious", encoding="utf-8")
    for path, problem in ((tmp_path, "holds other files"), (tmp_path / "thesis.txt", "is a file")):
        with pytest.raises(UserError, match=problem), open_folder(path, HEADER):
            pass
    assert list(tmp_path.iterdir()) == [tmp_path / "thesis.txt"]


@pytest.mark.parametrize(
    "source, name",
    [("../autumn/", "autumn"), ("shop.zip", "shop.zip"), ("-", "photos"), ("..", "photos"), ("gs://b/a?*", "a")],
)
def test_a_run_is_named_after_its_first_source(source, name):
    assert run_folder.default_folder([source]) == Path("predictions", name)
