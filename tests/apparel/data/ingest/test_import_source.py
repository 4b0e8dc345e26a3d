import json
from pathlib import Path

import pytest
from dvc.repo import Repo
from PIL import Image

from apparel.annotations.records import Box
from apparel.data.ingest.import_source import import_source
from apparel.data.synthetic.dataset import labelimg_xml
from apparel.errors import UserError
from tests.support import project_copy

TARGET, RECORD = Path("data/shop"), Path("data/shop/source.json")


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A folder with a photo and its annotation, beside an empty project of git and DVC."""
    project, source = tmp_path / "project", tmp_path / "shop"
    (project / "data").mkdir(parents=True)
    source.mkdir()
    Image.new("RGB", (8, 6)).save(source / "0.png")
    (source / "0.xml").write_text(labelimg_xml("0.png", 6, [Box("Tops", (0, 0, 4, 4))]), encoding="utf-8")
    monkeypatch.chdir(project)
    project_copy.git(project, "init", "--quiet")
    Repo.init().close()
    return source


def test_a_dry_run_imports_nothing(source, capsys):
    assert not import_source(str(source), [str(source), None, [], None], TARGET, RECORD, checkpoint=False, dry_run=True)
    assert "nothing was imported" in capsys.readouterr().out
    assert not TARGET.exists()


def test_an_import_is_tracked_and_says_where_it_came_from(source):
    assert import_source(str(source), [str(source), None, [], None], TARGET, RECORD, checkpoint=False, dry_run=False)
    assert (TARGET / "photos" / "0.png").is_file()
    assert TARGET.joinpath("photos.dvc").is_file()
    origin = json.loads(RECORD.read_text(encoding="utf-8"))
    assert (origin["kind"], origin["counts"]["photos"]) == ("folder", 1)


def test_a_source_without_weights_is_refused(source):
    with pytest.raises(UserError):
        import_source(str(source), [str(source), None, [], None], TARGET, RECORD, checkpoint=True, dry_run=False)
    assert not TARGET.exists()
