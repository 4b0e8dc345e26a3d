"""The data set `shop`, with a flaw of each kind that an inspection reports."""

import shutil
from pathlib import Path
from xml.sax.saxutils import escape

from PIL import Image

from apparel import paths
from tests.support.repository import ROOT

HOSTILE = "<img src=x onerror=alert(1)> & {{ 7*7 }}.png"


def annotate(name: str, *objects: tuple[str, tuple], size: tuple[int, int] = (64, 64)) -> None:
    """Writes an annotation; an object is a class and corners."""
    found = "".join(
        f"<object><name>{escape(label)}</name><bndbox><xmin>{box[0]}</xmin><ymin>{box[1]}</ymin>"
        f"<xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object>"
        for label, box in objects
    )
    size = "<size><width>{}</width><height>{}</height></size>".format(*size)
    text = f"<annotation><filename>{escape(name)}</filename>{size}{found}</annotation>"
    (paths.annotations("shop") / f"{len(list(paths.annotations('shop').iterdir()))}.xml").write_text(text, "utf-8")


def make(folder: Path) -> None:
    """Five photos of noise: two identical, one without boxes, one damaged; a missing photo; overlapping lists.

    `folder` is the working directory.
    """
    shutil.copy(ROOT / "params.yaml", folder)
    shutil.copytree(ROOT / "configs", folder / "configs")
    for subfolder in (paths.photos("shop"), paths.annotations("shop"), paths.lists("shop")):
        subfolder.mkdir(parents=True)
    for name in ("a.png", "empty.png", "damaged.png", HOSTILE):
        Image.effect_noise((64, 64), 90).save(paths.photos("shop") / name)
    shutil.copy(paths.photos("shop") / "a.png", paths.photos("shop") / "copy.png")
    damaged = paths.photos("shop") / "damaged.png"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    annotate("a.png", ("Tops", (0, 0, 32, 16)), ("Tops", (0, 0, 64, 64)))
    annotate("copy.png", ("<b>Tops", (0, 0, 128, 4)), size=(128, 128))
    annotate(HOSTILE, ("Tops", (8, 8, 24, 40)))
    annotate("empty.png")
    annotate("damaged.png")
    annotate("gone.png", ("Tops", (0, 0, 9, 9)))
    (paths.lists("shop") / "train.csv").write_text("filename\na.png\ngone.png\nempty.png\n", encoding="utf-8")
    (paths.lists("shop") / "test.csv").write_text("filename\ncopy.png\nempty.png\n", encoding="utf-8")
    (paths.lists("shop") / "summary.csv").write_text("class,count\nTops,4\n", encoding="utf-8")
    (paths.lists("shop") / "predefined_classes.txt").write_text("Tops\n", encoding="utf-8")
