"""What an exported detector carries beside its weights: classes, thresholds, size of its input, the model it is of."""

import json
from dataclasses import dataclass, replace

from apparel.errors import UserError
from apparel.models.thresholds import Thresholds

KEY = "apparel"
"""Name under which an export's file holds the text of `Metadata.to_json`."""

MAX_CLASSES = 10_000
MAX_SIDE = 4096
"""Limits of what is read from a file: `params.yaml` allows no larger input."""


@dataclass(frozen=True)
class Metadata:
    """Description of a trained detector, whatever the format of its file.

    Attributes:
        detector: name of its pipeline file, such as `ssd_mobilenet_v1`.
        classes: class names; position 0 has id 1.
        thresholds: score thresholds.
        height: pixels of the network's input; the most where it depends on the photo.
        width: pixels of the network's input; the most where it depends on the photo.
        model: DVC's hash of the folder of the trained model, which ends in `.dir`.
    """

    detector: str
    classes: tuple[str, ...]
    thresholds: Thresholds
    height: int
    width: int
    model: str

    def with_thresholds(self, thresholds: Thresholds) -> "Metadata":
        """The same detector with other thresholds."""
        return replace(self, thresholds=thresholds)

    def to_json(self) -> str:
        """The metadata as JSON on one line; the same metadata give the same text."""
        values = {
            "detector": self.detector,
            "classes": list(self.classes),
            "thresholds": self.thresholds.plain(),
            "height": self.height,
            "width": self.width,
            "model": self.model,
        }
        return json.dumps(values, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes, source: str) -> "Metadata":
        """Reads what `to_json` wrote; nothing about it is trusted.

        Args:
            text: JSON.
            source: the file it is from, for errors.

        Raises:
            UserError: it is not the metadata of a detector; names `source`.
        """
        remedy = "write it again with `apparel export`"
        try:
            values = json.loads(text)
            classes = tuple(values["classes"])
            sides = [values["height"], values["width"]]
            names = [values["detector"], values["model"], *classes]
            if not all(isinstance(name, str) and name.isprintable() and 0 < len(name) <= 300 for name in names):
                raise UserError(f"{source}: the names in its metadata are no names; {remedy}")
            if not 0 < len(classes) <= MAX_CLASSES or len(set(classes)) < len(classes):
                raise UserError(f"{source}: its metadata have no list of distinct classes; {remedy}")
            if not all(type(side) is int and 1 <= side <= MAX_SIDE for side in sides):
                raise UserError(f"{source}: an input of {sides[0]!r} x {sides[1]!r} pixels; {remedy}")
            thresholds = Thresholds.from_plain(values["thresholds"], classes, source)
        except (TypeError, KeyError, ValueError, RecursionError):
            raise UserError(f"{source} has no metadata of a detector of this project; {remedy}") from None
        return cls(values["detector"], classes, thresholds, *sides, values["model"])
