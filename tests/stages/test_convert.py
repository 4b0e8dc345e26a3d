import json
import shutil

import pytest

from apparel import boxes, errors, paths
from apparel.data.synthetic import dataset
from stages import convert
from tests.support.repository import ROOT


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a few drawn photos, as the current folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", paths.PARAMS)
    dataset.draw_data_set(paths.DATA / "demo", photos=12, empty=1, side=96, seed=3)
    set_param("classes: [Dresses, Lingerie, Pants_Leggings, Shorts, Skirts, Tops]", "classes: [Tops, Dresses]")
    return tmp_path


def set_param(old, new):
    text = paths.PARAMS.read_text()
    assert old in text
    paths.PARAMS.write_text(text.replace(old, new))


def outputs():
    return {path.name: path.read_bytes() for path in paths.LABELS.parent.iterdir()}


def test_the_stage_writes_its_files_the_same_each_time(project, capsys):
    convert.main()
    first = outputs()
    convert.main()
    assert outputs() == first
    assert sorted(first) == ["convert.json", "difficult.csv", "labels.csv", "md5.json", "photos.csv"]
    assert str(project) not in first["convert.json"].decode()
    truth = boxes.read_labels(paths.lists("demo") / "labels.csv")
    wanted = truth[truth["class"].isin(["Tops", "Dresses"])].reset_index(drop=True)
    assert boxes.read_labels(paths.LABELS).equals(wanted)
    assert len(boxes.read_labels(paths.DIFFICULT)) == 0
    assert len(boxes.read_photos(paths.PHOTOS_TABLE)) == 12
    assert json.loads(first["convert.json"])["boxes"] == len(wanted)
    assert f"{len(wanted)} boxes on 12 photos" in capsys.readouterr().out


def test_strict_makes_any_repair_an_error(project):
    set_param("strict: false", "strict: true")
    convert.main()
    file = sorted(paths.annotations("demo").iterdir())[0]
    file.write_text(file.read_text().replace("<width>96</width>", "<width>0</width>"))
    with pytest.raises(errors.UserError, match=rf"convert.strict is true.*\n.*size is missing or zero.*{file.name}"):
        convert.main()


def test_one_broken_file_is_named_and_the_rest_converted(project, capsys):
    file = sorted(paths.annotations("demo").iterdir())[0]
    file.write_text("<annotation>")
    convert.main()
    assert len(boxes.read_photos(paths.PHOTOS_TABLE)) == 11
    assert f"dropped 1: annotation file cannot be read ({file.name})" in capsys.readouterr().out
