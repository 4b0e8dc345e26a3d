"""A DVC project with this one's page of plots, and one curve."""

import shutil
import subprocess
from pathlib import Path

from apparel import paths
from tests.support.repository import ROOT


def make(folder: Path) -> Path:
    """The project; nothing is drawn yet."""
    (folder / ".dvc").mkdir()
    for name in ("config", "plots.html"):
        shutil.copy(ROOT / ".dvc" / name, folder / ".dvc" / name)
    curve = folder / paths.PR_CURVE
    curve.parent.mkdir(parents=True)
    curve.write_text("recall,Dresses,Tops\n0,1,0.9\n0.5,0.8,0.7\n1,0.4,0.3\n", encoding="utf-8")
    (folder / "dvc.yaml").write_text(
        f"plots:\n  - curve: {{x: recall, y: {{{paths.PR_CURVE.as_posix()}: [Dresses, Tops]}}, title: Precision}}\n",
        encoding="utf-8",
    )
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return folder
