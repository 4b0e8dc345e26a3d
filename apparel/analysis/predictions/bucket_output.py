"""Output of a prediction run in a bucket: sent in parts as it is written, so that another machine goes on from there.

Files in a bucket cannot be appended to. A run writes to a folder of this machine, which holds little: once the files of
some photos are in the bucket, what the tables gained by these photos follows as one file, `parts/FIRST-LAST.tar`, which
is there whole or not at all. A run that goes on, here or elsewhere, puts its tables together from these parts. The
tables themselves and the page come last. Two runs at once on the same photos write the same bytes.
"""

import io
import re
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from apparel.analysis.predictions import page, run_folder
from apparel.analysis.predictions.open_writers import JSON_LINES
from apparel.analysis.predictions.run_tables import DETECTIONS, PHOTOS, PROBLEMS
from apparel.errors import UserError, plain
from apparel.utils import files, limits
from apparel.utils.buckets import Folder

TABLES = (PHOTOS, DETECTIONS, PROBLEMS, JSON_LINES)
"""Files that grow with the photos."""

PARTS = "parts"
PART = re.compile(r"(\d{1,12})-(\d{1,12})\.tar")
"""Folder and names of the parts: how many photos the tables have before a part and with it."""

MAX_PART_BYTES = 1_000_000_000
"""Bytes of a part: those of `PHOTOS_A_PART` photos with a hundred detections each have 20 MB."""

PHOTOS_A_PART = 1_000
SECONDS_A_PART = 60
"""A part is sent after so many photos or seconds, whatever comes first; a kill costs no more work than that."""


class BucketOutput:
    """The output of one run.

    Attributes:
        address: in the bucket.
        folder: of this machine, which the run writes to.
    """

    def __init__(self, address: str, folder: Path) -> None:
        """Puts the tables together from the parts that are in the bucket.

        Raises:
            UserError: the folder in the bucket holds other files than a run's, a part is damaged, or it cannot be read.
        """
        self._bucket = Folder(address)
        self.address, self.folder = self._bucket.address, folder
        names = self._bucket.names()
        if names and run_folder.HEADER not in names:
            raise UserError(f"{address} holds other files than those of a prediction run; name another with --out")
        self._photos = 0
        if names:
            files.write_bytes(folder / run_folder.HEADER, self._bucket.read(run_folder.HEADER, limits.MAX_YAML_BYTES))
            self._restore()
        self._sent = {table: self._size(table) for table in TABLES}
        self._last, self._header_is_sent = time.monotonic(), bool(names)
        self._thread = ThreadPoolExecutor(1)  # sends while the networks go on
        self._sending: Future[None] | None = None

    def check_whole(self, photos: int) -> None:
        """Raises a `UserError` unless the tables, once opened, have as many photos as the parts say, and no rest."""
        if photos != self._photos or any(self._size(table) < self._sent[table] for table in TABLES):
            raise UserError(f"{self._bucket.file(PARTS)} is damaged; delete {self.address}, start anew")

    def photo_written(self, photos: int) -> None:
        """Sends a part if it is time; called between two photos, with how many the tables have."""
        new, seconds = photos - self._photos, time.monotonic() - self._last
        if new >= PHOTOS_A_PART or (new and seconds > SECONDS_A_PART):
            self._send_part(photos)

    def finish(self, photos: int) -> None:
        """Sends what is left, the tables, and at last the page; `photos` is how many the tables have."""
        self._send_part(photos)
        self._wait()
        tables = {table: self.folder / table for table in TABLES if (self.folder / table).exists()}
        data = {f"{page.DATA}/{path.name}": path for path in files.below(self.folder / page.DATA)}
        self._bucket.upload_all(tables | data)
        self._bucket.upload(page.PAGE, self.folder / page.PAGE)

    def close(self) -> None:
        """Waits for what is being sent."""
        self._thread.shutdown()

    def _size(self, table: str) -> int:
        path = self.folder / table
        return path.stat().st_size if path.exists() else 0

    def _restore(self) -> None:
        """Appends the parts to the tables, each that begins where the one before ends."""
        parts: dict[int, tuple[int, str]] = {}
        for name in Folder(self._bucket.file(PARTS)).names():
            if match := PART.fullmatch(name):
                first, last = int(match[1]), int(match[2])
                parts[first] = max(parts.get(first, (0, "")), (last, name))
        while (part := parts.pop(self._photos, None)) and part[0] > self._photos:
            self._append(part[1])
            self._photos = part[0]

    def _append(self, name: str) -> None:
        content = self._bucket.read(f"{PARTS}/{name}", MAX_PART_BYTES)
        try:
            with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
                for member in tar:
                    if member.name not in TABLES or not member.isfile():
                        raise UserError(f"{self._bucket.file(PARTS)}/{name} holds '{plain(member.name)}', no table")
                    with (self.folder / member.name).open("ab") as table:
                        table.write(tar.extractfile(member).read())
        except (tarfile.TarError, EOFError) as error:
            raise UserError(f"{self._bucket.file(PARTS)}/{name} is damaged: {plain(str(error))}") from None

    def _send_part(self, photos: int) -> None:
        """Sends, in a thread of its own, the photos' files, then what the tables gained by these photos."""
        self._wait()
        gained = {table: self._gained(table) for table in TABLES}
        waiting = self.folder / ".sending"
        files.remove_tree(waiting)
        waiting.mkdir()
        for path in self.folder.iterdir():
            if path.is_dir() and path.name not in (waiting.name, page.DATA):
                path.rename(waiting / path.name)
        self._sending = self._thread.submit(self._send, waiting, f"{PARTS}/{self._photos:09}-{photos:09}.tar", gained)
        self._photos, self._last = photos, time.monotonic()

    def _send(self, waiting: Path, part: str, gained: dict[str, bytes]) -> None:
        if not self._header_is_sent:
            self._bucket.upload(run_folder.HEADER, self.folder / run_folder.HEADER)
            self._header_is_sent = True
        made = {path.relative_to(waiting).as_posix(): path for path in files.below(waiting)}
        if made:
            self._bucket.upload_all(made)
        if any(gained.values()):
            self._bucket.write(part, _packed(gained))

    def _gained(self, table: str) -> bytes:
        """What a table has more than the parts have."""
        size = self._size(table)
        if size == self._sent[table]:
            return b""
        with (self.folder / table).open("rb") as file:
            file.seek(self._sent[table])
            content = file.read()
        self._sent[table] = size
        return content

    def _wait(self) -> None:
        if self._sending:
            self._sending.result()


@contextmanager
def opened(address: str) -> Iterator[BucketOutput]:
    """The output of a run at an address; what a `UserError` says of the folder here becomes the address.

    Raises:
        UserError: as `BucketOutput`.
    """
    with TemporaryDirectory(prefix="apparel-predict-") as name:
        output = None
        try:
            output = BucketOutput(address, Path(name))
            yield output
        except UserError as error:
            raise UserError(str(error).replace(name, address)) from None
        finally:
            if output:
                output.close()


def _packed(content: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in content.items():
            if data:
                header = tarfile.TarInfo(name)
                header.size = len(data)
                tar.addfile(header, io.BytesIO(data))
    return packed.getvalue()
