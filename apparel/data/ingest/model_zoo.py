"""Published starting weights by name: TensorFlow's detection model zoos 1 and 2, and Keras' ImageNet MobileNets.

The table is model_zoo.csv. Names and addresses are those of tf1_detection_zoo.md and tf2_detection_zoo.md in
github.com/tensorflow/models, research/object_detection/g3doc, and of Keras' applications/mobilenet.py and
mobilenet_v2.py. Sizes and SHA-256 are those that github.com/openvinotoolkit/open_model_zoo, models/public, checks;
where it has none the table has none.
"""

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from apparel.data.ingest.download import download
from apparel.data.ingest.sources import source_address
from apparel.errors import UserError, nearest
from apparel.utils import csv_tables

TABLE = Path(__file__).with_name("model_zoo.csv")

LICENCE = "Apache-2.0"
"""Of all of them: the licence of tensorflow/models and of Keras, which publish them."""

MIRROR_VARIABLE = "APPAREL_WEIGHTS_MIRROR"
"""Environment variable with the address of a mirror: what stands before the path of each address is replaced by it."""

READABLE = "mobilenet_v1"
"""In the names of the checkpoints of TensorFlow 1 that are read here (see apparel/models/tf1_checkpoint.py)."""


@dataclass(frozen=True)
class PublishedWeights:
    """Weights that can be fetched.

    Attributes:
        name: as the zoo calls them; that of the file is understood, too.
        kind: `TensorFlow 2`, `TensorFlow 1` or `Keras`.
        trained_on: the data set.
        address: where they are published.
        bytes: of the file; None if not known.
        sha256: of the file, in hexadecimal; None if not known.
    """

    name: str
    kind: str
    trained_on: str
    address: str
    bytes: int | None
    sha256: str | None

    @property
    def file(self) -> str:
        """Name of the file: an archive, or a `.h5`."""
        return PurePosixPath(urlsplit(self.address).path).name

    @property
    def is_readable(self) -> bool:
        """Whether they can be imported here."""
        return self.kind != "TensorFlow 1" or READABLE in self.name

    @property
    def fetched_from(self) -> str:
        """The address, on the mirror if `APPAREL_WEIGHTS_MIRROR` names one."""
        mirror = os.environ.get(MIRROR_VARIABLE)
        return f"{mirror.rstrip('/')}{urlsplit(self.address).path}" if mirror else self.address


def published() -> list[PublishedWeights]:
    """All weights of the table, in its order."""
    rows = csv_tables.read(TABLE, ["name", "kind", "trained_on", "address", "bytes", "sha256"])
    return [
        PublishedWeights(name, kind, trained_on, address, int(size) if size else None, sha256 or None)
        for name, kind, trained_on, address, size, sha256 in rows.itertuples(index=False)
    ]


def find_weights(name: str) -> PublishedWeights:
    """The weights of a name, or of the name of their file with or without its ending.

    Raises:
        UserError: there are none; names the nearest.
    """
    by_name = {}
    for weights in published():
        for known in (weights.file, weights.file.removesuffix(".tar.gz").removesuffix(".h5"), weights.name):
            by_name[known] = weights
    if name not in by_name:
        hint = nearest(name, list(by_name)) if name else ""
        raise UserError(
            f"there is no file or folder {name!r}, and no published weights are called that"
            f"{hint if 'did you mean' in hint else ''}; `apparel import --checkpoint --list` lists them"
        )
    return by_name[name]


def describe(weights: PublishedWeights) -> str:
    """What is fetched, from where and under which licence, for the terminal.

    Raises:
        UserError: the weights cannot be read here.
    """
    if not weights.is_readable:
        raise UserError(
            f"{weights.name} is a checkpoint of TensorFlow 1, of which those of MobileNet v1 are read; "
            "`apparel import --checkpoint --list` marks the others"
        )
    size = f"{weights.bytes / 1e6:,.0f} MB" if weights.bytes else "size not known before, up to 2,000 MB"
    known = f"SHA-256 {weights.sha256}" if weights.sha256 else "SHA-256 not known before, recorded"
    return (
        f"{weights.name}: {weights.kind}, trained on {weights.trained_on}, licence {LICENCE}\n"
        f"  {source_address(weights.fetched_from)}\n  {size}, {known}"
    )


def fetch_weights(weights: PublishedWeights, folder: Path) -> dict:
    """Fetches the file of published weights into a folder; returns what the record of the import says of it.

    Raises:
        UserError: it cannot be fetched, or is not the file that was published.
    """
    sha256 = download(weights.fetched_from, folder / weights.file, weights.bytes, weights.sha256)
    origin = {"source": weights.address, "name": weights.name, "licence": LICENCE, "sha256": sha256}
    mirror = source_address(weights.fetched_from)
    return origin | ({"fetched_from": mirror} if mirror != weights.address else {})


def is_name(source: str) -> bool:
    """Whether a source can be the name of published weights: no path and no address."""
    return not Path(source).exists() and not any(mark in source for mark in "/\\:@")


def list_text(word: str = "") -> str:
    """The weights whose names have `word` in them, one a line, with what they are and whether they can be read."""
    chosen = [weights for weights in published() if word.lower() in weights.name.lower()]
    if not chosen:
        raise UserError(f"no published weights have '{word}' in their name; `--list` alone lists all")
    width = max(len(weights.name) for weights in chosen)
    lines = []
    for weights in chosen:
        size = f"{weights.bytes / 1e6:,.0f} MB" if weights.bytes else ""
        note = "" if weights.is_readable else "cannot be read here"
        lines.append(
            f"{weights.name:<{width}}  {weights.kind:<12}  {weights.trained_on:<12}  {size:>6}  {note}".rstrip()
        )
    return "\n".join(lines)
