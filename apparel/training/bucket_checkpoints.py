"""Checkpoints of a training in a bucket, from which a machine with an empty disk goes on.

The variable APPAREL_CHECKPOINTS names the place, such as gs://bucket/apparel/checkpoints. Each training has a folder
there, called by its key (`checkpoints.training_key`): one of other parameters, data or code finds nothing in it. A
checkpoint is one file, `step-NUMBER.tar`, with the newest checkpoint here, the best weights and MLflow's run, and the
SHA-256 of each file. A store keeps a file whole or not at all, so a machine that is taken away leaves no half of one.
TensorBoard's files go to the folder `tensorboard` there.
"""

import hashlib
import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm import tqdm

from apparel.errors import UserError
from apparel.tracking import moved_run
from apparel.utils import files, limits
from apparel.utils.buckets import Folder

VARIABLE = "APPAREL_CHECKPOINTS"
"""Environment variable with the address of the place; without it, checkpoints stay on this machine."""

KEPT = 2
"""Checkpoints of a training that stay in the bucket: should the last be damaged, the one before is taken."""

MAX_BYTES = 3 * limits.MAX_WEIGHTS_BYTES
"""Bytes of a checkpoint: weights, the optimizer's and averaged ones, and the best."""

MANIFEST = "manifest.json"
TRACKING = "tracking/"
NAME = re.compile(r"step-(\d{1,12})\.tar")
MEMBER = re.compile(rf"(latest|best)/[\w-][\w.-]*|{TRACKING}({moved_run.RECORD}|{moved_run.OUTBOX.pattern})")
"""Names in the bucket, and in a checkpoint: of what the training keeps in its own folder, and of MLflow's run."""

CURVES = "tensorboard"
"""Folder of the place with TensorBoard's files, one folder a run."""


class Sender:
    """Sends one thing after the other while the training goes on; what cannot be sent is a warning."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)  # Python waits for it before the process ends
        self._sending: Future[None] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether something is under way."""
        return self._sending is not None and not self._sending.done()

    def start(self, what: str, send: Callable[[], None]) -> None:
        """Calls `send`; `what` names it in a warning."""
        self._sending = self._thread.submit(self._send, what, send)

    def wait(self) -> None:
        """Returns once nothing is under way."""
        if self._sending:
            self._sending.result()

    def _send(self, what: str, send: Callable[[], None]) -> None:
        try:
            send()
        except (UserError, OSError) as error:
            tqdm.write(f"warning: {what} is on this machine alone, and the training goes on: {error}")


class BucketCheckpoints:
    """The checkpoints of one training in a bucket, and their copies in a folder of this machine.

    Args:
        place: the address of all trainings' checkpoints.
        folder: of this training, named by its key.
    """

    def __init__(self, place: str, folder: Path) -> None:
        self._key, self._here, self._sender = folder.name, folder, Sender()
        self._bucket = Folder(f"{place.rstrip('/')}/{self._key}")

    def take_up(self) -> None:
        """Brings the newest checkpoint that is whole, unless this machine has a newer one.

        Raises:
            UserError: the bucket does not answer. A training that began anew would cost more than it takes to mend.
        """
        for step in sorted(self._steps(), reverse=True):
            if step <= self._step_here():
                return
            with TemporaryDirectory(prefix=".taken-", dir=self._here) as name:
                if self._fetch(step, Path(name)):
                    self._take(Path(name))
                    print(f"the checkpoint of step {step} comes from {self._bucket.address}")
                    return
            print(f"the checkpoint {self._bucket.file(_name(step))} is damaged and skipped")

    def send(self, step: int) -> None:
        """Sends the checkpoint of a step; it is left out as long as one before is under way."""
        if not self._sender.is_busy:
            packed = self._here / _name(step)
            self._pack(packed, step)
            self._sender.start(f"the checkpoint of step {step}", partial(self._upload, packed, step))

    def remove(self) -> None:
        """Removes what is in the bucket, once the training has ended."""
        self._sender.wait()
        try:
            self._bucket.remove()
        except UserError as error:
            print(f"warning: checkpoints that nobody needs any more stay in the bucket: {error}")

    def _upload(self, packed: Path, step: int) -> None:
        try:
            self._bucket.upload(_name(step), packed)
            self._bucket.remove([_name(old) for old in sorted(self._steps())[:-KEPT]])
        finally:
            packed.unlink(missing_ok=True)

    def _steps(self) -> list[int]:
        return [int(match[1]) for match in map(NAME.fullmatch, self._bucket.names()) if match]

    def _step_here(self) -> int:
        """The step of the newest checkpoint of this machine; -1 without any."""
        names = [path.name for path in (self._here / "latest").glob("ckpt-*.index")]
        return max((int(name[5:-6]) for name in names if name[5:-6].isdecimal()), default=-1)

    def _pack(self, target: Path, step: int) -> None:
        latest = [path for path in files.below(self._here / "latest") if path.name.startswith(f"ckpt-{step}.")]
        found = [self._here / "latest" / "checkpoint", *latest, *files.below(self._here / "best")]
        weights = {path.relative_to(self._here).as_posix(): path for path in found}
        tracked = {f"{TRACKING}{name}": data for name, data in moved_run.pack(self._key).items()}
        hashes = {name: _sha256(path) for name, path in weights.items()}
        hashes |= {name: hashlib.sha256(data).hexdigest() for name, data in tracked.items()}
        manifest = json.dumps({"key": self._key, "step": step, "files": hashes}, indent=2).encode()
        with tarfile.open(target, "w") as tar:
            for name, data in ({MANIFEST: manifest} | tracked).items():
                header = tarfile.TarInfo(name)
                header.size = len(data)
                tar.addfile(header, io.BytesIO(data))
            for name, path in weights.items():
                tar.add(path, name)

    def _fetch(self, step: int, target: Path) -> bool:
        """Unpacks a checkpoint into a folder; False if it is damaged, or is of another training or step."""
        packed = target / _name(step)
        self._bucket.download(_name(step), packed, MAX_BYTES)
        try:
            with tarfile.open(packed, "r:") as tar:
                manifest = json.loads(tar.extractfile(tar.next()).read(limits.MAX_YAML_BYTES))
                for member in tar:
                    if member.name != MANIFEST:
                        _unpack(tar, member, target)
            hashes = {name: _sha256(target / name) for name in manifest["files"] if MEMBER.fullmatch(name)}
            return manifest == {"key": self._key, "step": step, "files": hashes}
        except (tarfile.TarError, EOFError, ValueError, TypeError, AttributeError, KeyError, FileNotFoundError):
            return False
        finally:
            packed.unlink()

    def _take(self, taken: Path) -> None:
        """Puts an unpacked checkpoint in the place of those of this machine."""
        for part in ("latest", "best"):
            files.remove_tree(self._here / part)
            if (taken / part).is_dir():
                (taken / part).rename(self._here / part)
        tracked = taken / TRACKING
        run = {path.relative_to(tracked).as_posix(): path.read_bytes() for path in files.below(tracked)}
        moved_run.unpack(self._key, run)


class BucketCurves:
    """Copies of TensorBoard's files of one run in a bucket, or nowhere if no place is named.

    Args:
        folder: of this machine, named by the run.
    """

    def __init__(self, folder: Path) -> None:
        self._here, self._sender, place = folder, Sender(), _place()
        self._bucket = Folder(f"{place}/{CURVES}") if place else None

    def send(self) -> None:
        """Sends the files as they are, unless the last time is under way still."""
        if self._bucket and not self._sender.is_busy:
            curves = {path.relative_to(self._here.parent).as_posix(): path for path in files.below(self._here)}
            self._sender.start("TensorBoard's curve", partial(self._bucket.upload_all, curves))

    def finish(self) -> None:
        """Sends the files once more, and waits."""
        self._sender.wait()
        self.send()
        self._sender.wait()


@cache
def of(folder: Path) -> BucketCheckpoints | None:
    """The checkpoints in the bucket of the training with this folder; None where no place is named.

    Raises:
        UserError: the variable holds no address.
    """
    place = _place()
    return BucketCheckpoints(place, folder) if place else None


def _place() -> str:
    place = os.environ.get(VARIABLE, "").rstrip("/")
    try:
        return Folder(place).address if place else ""
    except UserError as error:
        raise UserError(f"the variable {VARIABLE}: {error}") from None


def _name(step: int) -> str:
    return f"step-{step:09}.tar"


def _unpack(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    """Writes a file of a checkpoint below a folder.

    Raises:
        ValueError: it is no plain file of the name of one.
    """
    if not member.isfile() or member.issparse() or not MEMBER.fullmatch(member.name) or ".." in member.name.split("/"):
        raise ValueError("no file of a checkpoint")
    path = target / member.name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        shutil.copyfileobj(tar.extractfile(member), file, 1 << 20)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
