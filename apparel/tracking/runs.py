"""What a stage tells MLflow: parameters, metrics, tags, files, and the data a run came from.

    with tracking.open_run(params, key) as run:               # train
        run.metrics({"train/loss": 0.7}, step=10)
        run.trained(paths.MODEL)
    with tracking.run_of_model(paths.MODEL, params) as run:   # eval adds to the same run
        run.metrics({"test/mAP50": 0.61})

A call writes to the run's outbox on the disk and returns. A process of its own, `apparel.tracking.sender`, imports
MLflow and sends, so that neither the import, seconds long, nor a server that is away costs the training a step.

Nothing about a run enters an output. Which run a model came from is kept under `.apparel/`, by the model's content.
"""

import hashlib
import math
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from apparel import paths
from apparel.errors import Pruned, UserError
from apparel.params import Params
from apparel.tracking import local_runs, outbox
from apparel.tracking.outbox import Head, Outbox
from apparel.tracking.sender_process import Sending
from apparel.utils import files
from apparel.versioning import dvc_hash, provenance

if TYPE_CHECKING:
    from PIL import Image

LOCAL_SERVER = "sqlite:///mlflow.db"
"""Where runs go unless MLFLOW_TRACKING_URI says otherwise: a file in the project's root."""

THUMBNAIL = (256, 256)
"""Pixels: what MLflow's charts load of a picture before someone looks closer."""

LONGEST_NAME = 250
LONGEST_VALUE = 5000
"""Characters: MLflow's limits, for values that of its older servers."""


def open_run(params: Params, key: str, name: str | None = None) -> "Run":
    """Train's run: the one that an earlier, unfinished training of this `key` opened, else a new one.

    Environment variables: MLFLOW_RUN_ID attaches to a run that is there already; APPAREL_PARENT_RUN_ID shows a new
    one under another. Each takes MLflow's id, or the `id` of a `Run`, which is known before MLflow can be reached.
    APPAREL_STUDY and APPAREL_TRIAL say which trial of a sweep this is: each keeps a run of its own.

    Args:
        key: a file name that says which training this is, such as a hash of parameters, code and inputs.
        name: what MLflow shows; when None the DVC experiment's name, or one made of key, detector and resolution.
    """
    unfinished = paths.LOCAL / "unfinished" / "-".join([key, *provenance.trial().values()])
    given = os.environ.get("MLFLOW_RUN_ID")
    run = Run(_recorded(unfinished) or _find(given) or _create(params, key, name, given), unfinished)
    files.write_text(unfinished, run.id)
    _describe(run, params)
    return run


def run_of_model(model: Path, params: Params) -> "Run":
    """Eval's run: the one that trained these very weights, else a new one that says it did not see the training."""
    record = local_runs.of_model(model)
    box = _recorded(record)
    run = Run(box or _create(params, record.name, run=os.environ.get("MLFLOW_RUN_ID")))
    if box is None:
        files.write_text(record, run.id)
        _describe(run, params)
        run.tags({paths.MODEL.as_posix(): dvc_hash.content(model)})
        run.tags({"trained": "elsewhere: this clone has the model, but no record of its training"})
    else:
        run.params(params.flat())
    run.tags({f"eval.{name.removeprefix('mlflow.source.')}": value for name, value in provenance.code().items()})
    return run


def start(params: Params, name: str, parent: str | None = None) -> "Run":
    """A new run that is no training of this process, such as a sweep's."""
    return Run(_create(params, name, name, parent=parent))


def attach(run: str, params: Params) -> "Run":
    """The run of that id, MLflow's or a `Run`'s, open again: also one that another process or machine opened."""
    return Run(_find(run) or _create(params, run, run=run))


def add_files(run: str, params: Params, added: Iterable[Path]) -> None:
    """Sends files to a run whose status stays as it is: another process may be at work on it."""
    box = _create(params, run, run=run)
    for path in added:
        _add_file(box, path)
    Sending(box).finish()


class Run:
    """One run, open until `finish`, `fail` or `kill`; as a context manager it does one of them by itself."""

    def __init__(self, box: Outbox, unfinished: Path | None = None) -> None:
        self.id = box.id
        self._box = box
        self._unfinished = unfinished
        # A training that goes on from a checkpoint repeats some steps, whose metrics the run has already.
        self._last_steps = _last_steps(box) if unfinished else {}
        self._open = True
        box.append("status", {"status": "RUNNING"})
        self._sender = Sending(box)

    @property
    def title(self) -> str:
        """The run's name, and enough of its id to be no other's; a file name."""
        return f"{self._box.head.name.replace('/', '_')} {self.id[:8]}"

    def params(self, values: Mapping[str, Any]) -> None:
        """Parameters by name. MLflow never changes one: a value that differs from the run's becomes a tag."""
        self._append("params", values)

    def tags(self, values: Mapping[str, Any]) -> None:
        """Tags by name; the last value of a name stays."""
        self._append("tags", values)

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Metrics by name, such as `test/AP50/Dresses`. An infinite value, which no chart can show, becomes NaN."""
        new = {clean(name): float(value) for name, value in values.items()}
        new = {name: value for name, value in new.items() if step > self._last_steps.get(name, -1)}
        for part in _parts({name: value if math.isfinite(value) else math.nan for name, value in new.items()}):
            self._box.append("metrics", part, step, durable=False)

    def inputs(self, data: Mapping[str, Mapping[str, Any]], context: str) -> None:
        """Data sets that the run read, as `provenance.data` describes them; `context` says what for."""
        for path, known in data.items():
            self._box.append("inputs", {"path": path, "context": context, **known})

    def file(self, path: Path, folder: str = "") -> None:
        """A file, copied now and sent later, to show under `folder`; MLflow shows pictures and CSV tables as such."""
        _add_file(self._box, path, folder)

    def content(self, content: bytes | None, name: str) -> None:
        """A small file of that name; none when there is nothing to put into it."""
        if content:
            place = self._box.place(name)
            (self._box.folder / place).write_bytes(content)
            self._box.append("file", {"place": place, "folder": None})

    def folder(self, path: Path, folder: str) -> None:
        """Every file under `path`, to show under `folder`."""
        for file in files.below(path):
            self.file(file, (folder / PurePosixPath(file.parent.relative_to(path).as_posix())).as_posix())

    def picture(self, picture: "Image.Image", key: str, step: int) -> None:
        """One of a series of pictures, through which MLflow's charts step; the last of a key and a step stays."""
        # As `MlflowClient.log_image` names them; with a fixed time and id a picture that comes again replaces itself.
        again = uuid.uuid5(uuid.NAMESPACE_URL, f"{key} {step}")
        name = f"{clean(key).replace('/', '~')}+step+{step}+timestamp+{self._box.head.start}+{again}"
        small = picture.copy()
        small.thumbnail(THUMBNAIL)
        for each, ending in ((picture, ".png"), (small, "+compressed.webp")):
            place = self._box.place(name + ending)
            each.save(self._box.folder / place)
            self._box.append("file", {"place": place, "folder": "images"})
        self.tags({"mlflow.loggedImages": True})

    def model(self, folder: Path, example: bytes) -> None:
        """A trained model, to be loaded with `mlflow.pyfunc`; `example` are the bytes of a photo that it takes."""
        place = self._box.place("model")
        shutil.copytree(folder, self._box.folder / place)
        (self._box.folder / place).with_name("example").write_bytes(example)
        self._box.append("model", {"place": place})

    def trained(self, model: Path) -> None:
        """Records that this run made the model in this folder, so that eval finds the run by the weights.

        MLflow gets the hash that DVC has of the model, so that `trace` finds the run from any clone.
        """
        files.write_text(local_runs.of_model(model), self.id)
        self.tags({paths.MODEL.as_posix(): dvc_hash.content(model)})

    def finish(self) -> None:
        """Ends the run well, and waits a minute at most for what is not sent yet."""
        if self._unfinished is not None:
            self._unfinished.unlink(missing_ok=True)
        self._end("FINISHED")

    def fail(self, reason: str) -> None:
        """Ends the run badly; the reason becomes its tag `failure`. A training of the same key goes on with it."""
        self.tags({"failure": reason})
        self._end("FAILED")

    def kill(self, **why: str) -> None:
        """Ends the run before its time, for a reason that is no failure and becomes a tag: `kill(pruned="...")`."""
        if self._unfinished is not None:
            self._unfinished.unlink(missing_ok=True)
        self.tags(why)
        self._end("KILLED")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if not self._open:
            return
        if error is None:
            self.finish()
        elif isinstance(error, Pruned):
            self.kill(pruned=str(error))
        else:
            self.fail(f"{kind.__name__}: {error}".rstrip(": "))

    def _end(self, status: str) -> None:
        self._open = False
        self._box.append("status", {"status": status})
        self._sender.finish()

    def _append(self, kind: str, values: Mapping[str, Any]) -> None:
        for part in _parts({clean(name): str(value)[:LONGEST_VALUE] for name, value in values.items()}):
            self._box.append(kind, part)


def server() -> str:
    """The tracking URI in use.

    Raises:
        UserError: it is none, but a host with a port, or without a host: what waited for it could never be sent.
    """
    address = os.environ.get("MLFLOW_TRACKING_URI") or LOCAL_SERVER
    if re.match(r"[\w.-]+:\d+(/|$)", address):
        raise UserError(f"MLFLOW_TRACKING_URI is '{address}', which is no address; did you mean 'http://{address}'?")
    if re.match(r"https?:/*$", address):
        raise UserError(f"MLFLOW_TRACKING_URI is '{address}', which names no server")
    return address


def without_password(address: str) -> str:
    """A tracking URI as it may be shown."""
    return re.sub(r"//[^/@ ]*@", "//", address)


def clean(name: str) -> str:
    """`name` as MLflow takes it: letters, digits, `_-. ` and single slashes, at most 250 characters.

    A name that had to be changed carries a hash of the original, so that two never become one.
    """
    parts = [re.sub(r"[^\w.\- ]", "_", part) for part in name[: LONGEST_NAME - 9].split("/")]
    cleaned = "/".join(part for part in parts if part not in ("", ".", "..")) or "_"
    if cleaned == name:
        return name
    path = PurePosixPath(cleaned)
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    return path.with_name(f"{path.stem}-{digest}{path.suffix}").as_posix()


def _add_file(box: Outbox, path: Path, folder: str = "") -> None:
    place = box.place(clean(path.name))
    shutil.copyfile(path, box.folder / place)
    box.append("file", {"place": place, "folder": clean(folder) if folder else None})


def _create(
    params: Params, key: str, name: str | None = None, run: str | None = None, parent: str | None = None
) -> Outbox:
    head = Head(
        server=server(),
        experiment=os.environ.get("MLFLOW_EXPERIMENT_NAME") or params.data.name,
        name=name or os.environ.get("DVC_EXP_NAME") or f"{key[:7]} {params.train.detector} {params.train.resolution}",
        start=outbox.now(),
        parent=parent or os.environ.get("APPAREL_PARENT_RUN_ID"),
        run=run,
    )
    return Outbox.create(head)


def _describe(run: Run, params: Params) -> None:
    run.params(params.flat())
    run.tags(provenance.tags(params))
    run.inputs(provenance.data(params), "training")
    run.content(provenance.patch(), "changes.patch")


def _recorded(record: Path) -> Outbox | None:
    """The outbox whose id that file holds, if it belongs to the server and the run that are asked for now."""
    box = outbox.find(record.read_text(encoding="utf-8")) if record.exists() else None
    if box is None or box.head.server != server():
        return None
    return box if os.environ.get("MLFLOW_RUN_ID") in (None, box.id, box.head.run, box.sent()[0]) else None


def _find(run: str | None) -> Outbox | None:
    """The outbox of the run with that id, its own or MLflow's, if it belongs to the server in use."""
    box = outbox.of_run(run) if run else None
    return box if box and box.head.server == server() else None


def _last_steps(box: Outbox) -> dict[str, int]:
    """The last step that each metric has."""
    last: dict[str, int] = {}
    for line in box.lines():
        if line.kind == "metrics":
            last |= {name: max(line.step, last.get(name, -1)) for name in line.values}
    return last


def _parts(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Pieces small enough for one request each."""
    items = list(values.items())
    return [dict(items[start : start + 50]) for start in range(0, len(items), 50)]
