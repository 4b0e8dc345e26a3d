import pytest

from apparel import boxes
from apparel.errors import UserError
from stages import draw
from tests.support import project_copy
from tests.support.repository import ROOT


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """An empty project, as the current folder, that is to draw six small photos."""
    monkeypatch.chdir(tmp_path)
    draw.DEMO.mkdir(parents=True)
    path = draw.DEMO / "params.yaml"
    path.write_text((ROOT / path).read_text())
    project_copy.set_params(path, draw={"photos": 6, "photos_without_garment": 2, "size": 96})
    return draw.DEMO


def test_the_stage_draws_what_its_params_say(demo, capsys):
    draw.main()
    assert len(list((demo / "photos").iterdir())) == 6
    labels = boxes.read_labels(demo / "lists" / "labels.csv")
    assert labels["filename"].nunique() == 4
    assert f"6 photos with {len(labels)} garments" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed:", "sede:", "draw.seed is missing; draw.sede is unknown; did you mean 'seed'"),
        ("size: 96", "size: 1.5", "draw.size"),
        ("photos: 6", "photos: 1", "photos_without_garment is more than draw.photos"),
    ],
)
def test_params_that_make_no_sense_are_refused(demo, old, new, message):
    path = demo / "params.yaml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError, match=message):
        draw.main()
    assert not (demo / "photos").exists()
