"""`apparel plots`: DVC's plots of the workspace, or beside those of commits."""

import argparse

import pytest

from apparel import paths
from apparel.analysis import vega
from apparel.cli import plots
from apparel.errors import UserError
from tests.support import plots_project, project_copy


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = plots_project.make(tmp_path)
    project_copy.git(folder, "add", "--all")
    project_copy.git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "one")
    monkeypatch.chdir(folder)
    (folder / "vega.js").touch()
    monkeypatch.setattr(vega, "VEGA", folder / "vega.js")
    return folder


def draw(*revisions: str) -> None:
    plots.main(argparse.Namespace(revision=revisions))


def test_the_workspace_is_drawn_alone_or_beside_a_commit(folder):
    page = folder / "dvc_plots" / "index.html"
    draw()
    assert "0.95" not in page.read_text(encoding="utf-8")
    (folder / paths.PR_CURVE).write_text("recall,Dresses,Tops\n0,0.95,0.9\n", encoding="utf-8")
    draw("HEAD")
    text = page.read_text(encoding="utf-8")
    assert "0.95" in text
    assert '"HEAD"' in text


def test_a_commit_that_is_not_there_is_refused(folder):
    with pytest.raises(UserError, match="DVC could not draw the plots"):
        draw("nothing")


def test_before_the_first_results_the_remedy_is_named(folder):
    (folder / paths.PR_CURVE).unlink()
    with pytest.raises(UserError, match="there are no curves yet: `dvc repro` makes them"):
        draw()
