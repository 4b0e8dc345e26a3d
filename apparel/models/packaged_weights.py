"""Starting weights that come with the installation: which Python package holds them, and whether they are unchanged.

A folder of data/pretrained has `weights.json` in their place. It names the file and its SHA-256: so the weights are a
dependency of the stage train as imported ones are, without a copy of them in the project.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from apparel.errors import UserError, plain
from apparel.utils import limits

FILE = "weights.json"

MAX_BYTES = 10_000
"""Bytes of that file; it has a tenth."""


@dataclass(frozen=True)
class PackagedWeights:
    """What `weights.json` says.

    Attributes:
        network: the backbone that they are of, such as `efficientnet_lite0`.
        package: name of the Python package that holds them.
        file: their place in it.
        sha256: checksum of that file, in hexadecimal.
    """

    network: str
    package: str
    file: str
    sha256: str

    def path(self) -> Path:
        """The file, where the package is installed.

        Raises:
            UserError: it is not, or has no such file, or another one.
        """
        try:
            files = metadata.files(self.package) or []
        except (metadata.PackageNotFoundError, ValueError):
            raise UserError(f"the package {plain(self.package)} is not installed; run `make setup`") from None
        # Only what the package lists: a name with `..` in it leads nowhere.
        found = next((Path(file.locate()) for file in files if file.as_posix() == self.file), None)
        if found is None or not found.is_file():
            raise UserError(f"the package {plain(self.package)} has no {plain(self.file)}; run `make setup`")
        with found.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != self.sha256:
                raise UserError(f"{found} is not the file that {FILE} names by its SHA-256; install its package again")
        return found


def read(folder: Path) -> PackagedWeights | None:
    """What the folder's `weights.json` says; None where it has none.

    Raises:
        UserError: it is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        values = json.loads(limits.read_bytes(path, MAX_BYTES))
        weights = PackagedWeights(**values)
    except (ValueError, TypeError, RecursionError):
        raise UserError(f"{path} is damaged; git has it as it was") from None
    if not all(type(value) is str and value for value in asdict(weights).values()):
        raise UserError(f"{path} is damaged; git has it as it was")
    return weights
