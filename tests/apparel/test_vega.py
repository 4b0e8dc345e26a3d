import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from apparel import vega
from tests import chromium

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A DVC project with this one's plots page and one curve."""
    folder = tmp_path_factory.mktemp("plots")
    (folder / ".dvc").mkdir()
    for name in ("config", "plots.html"):
        shutil.copy(ROOT / ".dvc" / name, folder / ".dvc" / name)
    (folder / "curve.csv").write_text("recall,Dresses,Tops\n0,1,0.9\n0.5,0.8,0.7\n1,0.4,0.3\n", encoding="utf-8")
    (folder / "dvc.yaml").write_text(
        "plots:\n  - curve: {x: recall, y: {curve.csv: [Dresses, Tops]}, title: Precision}\n", encoding="utf-8"
    )
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    subprocess.run([sys.executable, "-m", "dvc", "plots", "show"], cwd=folder, check=True, capture_output=True)
    return folder


def test_page_draws_without_a_network(project, tmp_path, monkeypatch):
    monkeypatch.setattr(vega, "VEGA", project / ".apparel" / "vega.js")
    vega.ensure()
    page = chromium.dom(project / "dvc_plots" / "index.html", tmp_path)
    assert "<canvas" in page or "<svg" in page
    assert "not there yet" not in page


def test_page_without_vega_says_what_to_run(project, tmp_path):
    shutil.rmtree(project / ".apparel", ignore_errors=True)
    page = chromium.dom(project / "dvc_plots" / "index.html", tmp_path)
    assert "python -m apparel plots" in page
    assert "<canvas" not in page


def test_page_asks_nothing_of_a_network(project):
    page = (project / "dvc_plots" / "index.html").read_text(encoding="utf-8")
    assert 'src="http' not in page
    assert page.count("<script src=") == 1


def test_ensure_leaves_a_present_file_alone(tmp_path, monkeypatch):
    present = tmp_path / "vega.js"
    present.write_text("as it was", encoding="utf-8")
    monkeypatch.setattr(vega, "VEGA", present)
    assert vega.ensure() == present
    assert present.read_text(encoding="utf-8") == "as it was"
