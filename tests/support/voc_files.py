"""PASCAL VOC files with one photo's size and objects, and what is read of them."""

from collections.abc import Callable
from pathlib import Path

from apparel.annotations import pascal_voc
from apparel.annotations.records import Annotation

BOX = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox>"
SIZE = "<size><width>100</width><height>80</height><depth>3</depth></size>"


def obj(name: str = "Tops", box: str = BOX, more: str = "") -> str:
    """An object."""
    return f"<object><name>{name}</name>{more}{box}</object>"


def xml(*objects: str, filename: str = "<filename>a.jpg</filename>", size: str = SIZE) -> str:
    """The text of a file."""
    return f"<annotation>{filename}{size}{''.join(objects)}</annotation>"


def reader(folder: Path) -> Callable[..., tuple[Annotation, list[tuple[str, str]]]]:
    """Reads a text: the annotation, and the outcome and reason of each problem."""

    def read(content: str | bytes, first_pixel: int = 0) -> tuple[Annotation, list[tuple[str, str]]]:
        path = folder / "a.xml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        annotation, problems = pascal_voc.read(path, "in/a.xml", first_pixel)
        return annotation, [(problem.outcome, problem.reason) for problem in problems.entries]

    return read
