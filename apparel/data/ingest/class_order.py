"""Order of the classes of YOLO's label files, which name them by number: found in a source, or given."""

from collections.abc import Sequence
from typing import Any

from apparel.annotations import yolo
from apparel.annotations.fields import parse_class_name
from apparel.data.ingest.archives import Entry
from apparel.errors import UserError, plain
from apparel.utils import yaml


def find_class_order(files: Sequence[Entry], given: Sequence[str] | None) -> list[str]:
    """The names of the classes by their number, from 0.

    Args:
        files: lists of classes, a name a line, and YAML files with `names`.
        given: what the user says; it wins.

    Raises:
        UserError: there is no order, there are several, or the labels are of another kind.
    """
    if given:
        return list(given)
    orders = {entry: names for entry in files if (names := _read_order(entry))}
    if not orders:
        raise UserError(
            "the labels are YOLO's, which name a class by its number, and there is no list of classes beside them "
            "(classes.txt, obj.names, data.yaml); give it in the order of the numbers, from 0: --classes 'a,b,c'"
        )
    (first, names), *others = orders.items()
    for entry, other_names in others:
        if other_names != names:
            raise UserError(
                f"two orders of classes: {plain(first.name)} ({plain(', '.join(names))}) and {plain(entry.name)} "
                f"({plain(', '.join(other_names))}); say which counts: --classes 'a,b,c'"
            )
    return names


def _read_order(entry: Entry) -> list[str]:
    if not entry.base.lower().endswith((".yaml", ".yml")):
        return yolo.read_classes(entry.path)
    with entry.path.open("rb") as file:
        document = yaml.parse(file.read(yolo.MAX_CLASS_BYTES), plain(entry.name))
    document = document if isinstance(document, dict) else {}
    if document.get("kpt_shape"):
        raise UserError(
            f"{plain(entry.name)} says that the labels are YOLO's keypoints, which are not read; export boxes"
        )
    return _names(document.get("names"), entry)


def _names(value: Any, entry: Entry) -> list[str]:
    """The names in a YAML file: a list, or a dictionary by number."""
    if isinstance(value, dict):
        if not all(isinstance(number, int) and 0 <= number < 100_000 for number in value):
            raise UserError(f"{plain(entry.name)}: names should be by number, from 0; correct it")
        value = [value.get(number, "") for number in range(max(value, default=-1) + 1)]
    if not isinstance(value, list):
        return []
    if not all(isinstance(name, str | int | float) for name in value):
        raise UserError(f"{plain(entry.name)}: names should be a list of names; put each in quotes")
    return [parse_class_name(str(name)) for name in value]
