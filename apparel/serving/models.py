"""The model that the server uses now; a newer one of the same name is loaded beside it and takes its place.

Requests that use the old model end with it. A model that cannot be loaded leaves the old one in use.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from apparel.errors import UserError, one_line
from apparel.inference.network import Network
from apparel.serving.limits import RefusedRequest
from apparel.serving.loaded_model import LoadedModel
from apparel.utils import files
from apparel.versioning import dvc_hash

log = logging.getLogger("apparel.serving")


class Models:
    """Looks a model up by its name, again and again, and holds the one that was loaded last.

    Attributes:
        current: the model in use; None before the first is loaded.
        problem: why the model that the name stands for now is not in use; None where it is.
        loads: how many models were loaded.
        failures: how often a new model was not to be had.
    """

    def __init__(
        self,
        name: str,
        resolve: Callable[[str], Path],
        load: Callable[[Path], Sequence[Network]],
        files_of: Callable[[Path], Sequence[Path]] = lambda path: [path],
    ):
        """Loads nothing yet.

        Args:
            name: of the model, as `resolve` knows it.
            resolve: gives the folder or file that the name stands for, or raises a `UserError`.
            load: gives the networks of a folder or file, one a thread, or raises a `UserError`.
            files_of: gives the files and folders whose change may change what `load` gives, such as exports.
        """
        self._name, self._resolve, self._load, self._files_of = name, resolve, load, files_of
        self._lock = threading.Lock()
        self._taken: tuple | None = None
        self._refused: tuple[tuple, str] | None = None
        self._stop = threading.Event()
        self.current: LoadedModel | None = None
        self.problem: str | None = None
        self.loads = self.failures = 0

    @contextmanager
    def use(self) -> Iterator[LoadedModel]:
        """The current model, which stays in memory until the end of the block.

        Raises:
            RefusedRequest: 503, none is loaded yet.
        """
        with self._lock:
            model = self.current
            if model is None:
                raise RefusedRequest(503, "the model is being loaded; try again", retry_after=5)
            model.users += 1
        try:
            yield model
        finally:
            with self._lock:
                model.users -= 1
                self._close_unless_used(model)

    def watch(self, seconds: float) -> None:
        """Updates every so many seconds in a thread, until `stop`."""
        threading.Thread(target=self._watch, args=(seconds,), name="models", daemon=True).start()

    def stop(self) -> None:
        """Ends the watching and the threads of the model in use."""
        self._stop.set()
        with self._lock:
            model, self.current = self.current, None
            if model is not None:
                self._close_unless_used(model)

    def _watch(self, seconds: float) -> None:
        while not self._stop.wait(seconds):
            self.update()

    def update(self) -> bool:
        """Takes the model that the name stands for now, unless it is in use already; returns whether it is in use.

        What fails is logged once, and in `problem` until it is over.
        """
        try:
            self._take_newest()
        except Exception as error:  # noqa: BLE001 - the server goes on with the model that it has
            self.failures += 1
            if (reason := _reason(error)) != self.problem:
                log.warning("the model stays as it is: %s", reason)
            self.problem = reason
            return False
        self.problem = None
        return True

    def _take_newest(self) -> None:
        path = self._resolve(self._name)
        found = self._files_of(path)
        state = _state(found)
        if state == self._taken:
            return
        if self._refused and self._refused[0] == state:
            raise UserError(self._refused[1])
        content = _content(found)
        if self.current is None or content != self.current.content:
            try:
                networks = self._load(path)
            except Exception as error:
                self._refused = state, _reason(error)  # it is not loaded again before a file of it changes
                raise
            if _content(self._files_of(path)) != content:
                raise UserError(f"{path} changed while it was loaded")
            self._swap(LoadedModel(self._shown_name(), content, networks))
        self._taken = state

    def _swap(self, model: LoadedModel) -> None:
        with self._lock:
            old, self.current = self.current, model
            self.loads += 1
            if old is not None:
                self._close_unless_used(old)
        log.info("model %s, hash %s, on %s", model.name, model.metadata.model, model.describe()["runtime"])

    def _close_unless_used(self, model: LoadedModel) -> None:
        if model is not self.current and not model.users:
            model.close()

    def _shown_name(self) -> str:
        """The model's name, of a path its last part alone: where files lie is nobody's business."""
        return Path(self._name).name if Path(self._name).exists() else self._name


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, UserError) else one_line(error)


def _content(found: Sequence[Path]) -> str:
    """The hashes of files and folders."""
    return " ".join(dvc_hash.path_hash(path) for path in found)


def _state(found: Sequence[Path]) -> tuple:
    """What changes when a file, single or of a folder, is written: path, size, time and number of each."""
    below = [file for path in found for file in (files.below(path) if path.is_dir() else [path])]
    entries = [(file, file.stat()) for file in below]
    return (*found, *((file, stat.st_size, stat.st_mtime_ns, stat.st_ino) for file, stat in entries))
