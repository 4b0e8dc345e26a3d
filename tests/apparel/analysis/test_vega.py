import json
import re
import shutil
import subprocess
import sys

import pytest

from apparel.analysis import vega
from tests.support import chromium, plots_project
from tests.support.repository import ROOT

CELLS = [(1, "0.5"), (2, ""), (3, 0.4), (4, None), (5, "0.3")]
"""Numbers as DVC gives them, text or not, and epochs without one."""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A DVC project with this one's plots page and one curve, drawn."""
    folder = plots_project.make(tmp_path_factory.mktemp("plots"))
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
    assert "apparel plots" in page
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


def test_a_curve_has_no_points_where_cells_are_empty():
    import vl_convert

    text = (ROOT / ".dvc" / "plots" / "curves.json").read_text(encoding="utf-8")
    rows = [{"epoch": epoch, "value": value, "field": "loss", "rev": "main"} for epoch, value in CELLS]
    for anchor, value in {"TITLE": "t", "X": "epoch", "Y": "value", "X_LABEL": "x", "Y_LABEL": "y"}.items():
        text = text.replace(f"<DVC_METRIC_{anchor}>", value)
    svg = vl_convert.vegalite_to_svg(text.replace('"<DVC_METRIC_DATA>"', json.dumps(rows)), vl_version=vega.VEGA_LITE)
    (line,) = re.findall(r'aria-roledescription="line mark".*? d="([^"]*)"', svg) or re.findall(
        r'class="mark-line.*? d="([^"]*)"', svg, re.DOTALL
    )
    assert len(re.findall("[ML]", line)) == 3
