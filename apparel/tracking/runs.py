"""MLflow runs as a stage writes them: parameters, metrics, tags, files, models, and the data they came from.

    with runs.open_run(params, key) as run:               # train
        run.log_metrics({"train/loss": 0.7}, step=10)
        run.record_model(paths.MODEL)
    with runs.run_of_model(paths.MODEL, params) as run:   # eval adds to the same run
        run.log_metrics({"test/mAP50": 0.61})

A call writes to the run's outbox on disk and returns. Another process, `apparel.tracking.sender`, imports MLflow and
sends: neither the import, which takes seconds, nor a server that is away delays a training step.

Nothing about a run enters an output. Which run trained a model is kept under `.apparel/`, by DVC's hash of the model.
"""

import math
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from apparel import paths
from apparel.errors import Pruned
from apparel.params import Params
from apparel.tracking import local_runs
from apparel.tracking.moved_run import unfinished_record
from apparel.tracking.outbox import Outbox, RunHeader, find_outbox, now_ms, outbox_of_run
from apparel.tracking.sender_process import SenderProcess
from apparel.tracking.server import clean_name, clean_value, server_address
from apparel.utils import files
from apparel.versioning import dvc_hash, provenance

if TYPE_CHECKING:
    from PIL import Image

THUMBNAIL = (256, 256)
"""Pixels: largest size of the preview that MLflow's charts load of a picture."""

VALUES_PER_LINE = 50
"""Parameters, tags or metrics in one line of the outbox: few enough for one request."""


def open_run(params: Params, key: str, name: str | None = None) -> "Run":
    """Train's run: the one that an earlier, unfinished training of this `key` opened, else a new one.

    Environment variables: MLFLOW_RUN_ID attaches to an existing run; APPAREL_PARENT_RUN_ID shows a new one under
    another. Both take MLflow's id, or the `id` of a `Run`, which exists before MLflow can be reached. APPAREL_STUDY and
    APPAREL_TRIAL name the trial of a sweep: each trial has its own run.

    Args:
        params: all of params.yaml.
        key: identifies the training and is a file name, such as a hash of parameters, code and inputs.
        name: shown in MLflow; by default the DVC experiment's name, or one made of key, detector and resolution.
    """
    unfinished = unfinished_record(key)
    given = os.environ.get("MLFLOW_RUN_ID")
    run = Run(_recorded_outbox(unfinished) or _find(given) or _create(params, key, name, given), unfinished)
    files.write_text(unfinished, run.id)
    _log_origin(run, params)
    return run


def run_of_model(model: Path, params: Params, stage: str = "eval") -> "Run":
    """The run that trained these weights, else a new one, tagged as `trained` elsewhere.

    Args:
        model: the folder of the trained model.
        params: of params.yaml; those of a run that is there stay as they are unless the stage is eval.
        stage: what adds to the run: its commit is tagged as `<stage>.git.commit`.
    """
    model_hash = dvc_hash.path_hash(model)
    record = local_runs.model_record(model_hash)
    outbox = _recorded_outbox(record)
    run = Run(outbox or _create(params, model_hash, run=os.environ.get("MLFLOW_RUN_ID")))
    if outbox is None:
        files.write_text(record, run.id)
        _log_origin(run, params)
        run.set_tags({paths.MODEL.as_posix(): model_hash})
        run.set_tags({"trained": "elsewhere: this clone has the model, but no record of its training"})
    elif stage == "eval":
        run.log_params(params.flat())
        provenance.report_gap()
    run.set_tags({f"{stage}.{name.removeprefix('mlflow.source.')}": value for name, value in provenance.code().items()})
    return run


def start_run(params: Params, name: str, parent: str | None = None) -> "Run":
    """A new run that is no training of this process, such as a sweep's."""
    return Run(_create(params, name, name, parent=parent))


def attach_run(run: str, params: Params) -> "Run":
    """The run of that id, MLflow's or a `Run`'s, open again, whichever process or machine opened it first."""
    return Run(_find(run) or _create(params, run, run=run))


def add_files(run: str, params: Params, added: Iterable[Path]) -> None:
    """Sends files to a run and leaves its status alone, since another process may be writing to it."""
    outbox = _create(params, run, run=run)
    for path in added:
        _add_file(outbox, path)
    SenderProcess(outbox).finish()


class Run:
    """One run, open until `finish`, `fail` or `kill`; as a context manager it calls the right one at the end."""

    def __init__(self, outbox: Outbox, unfinished: Path | None = None) -> None:
        self.id = outbox.id
        self._outbox = outbox
        self._unfinished = unfinished
        # A training that resumes from a checkpoint repeats some steps, whose metrics the run has already.
        self._last_steps = outbox.last_steps() if unfinished else {}
        self._open = True
        outbox.append("status", {"status": "RUNNING"})
        self._sender = SenderProcess(outbox)

    @property
    def title(self) -> str:
        """The run's name and the first digits of its id, unique and valid as a file name."""
        return f"{self._outbox.header.name.replace('/', '_')} {self.id[:8]}"

    def log_params(self, values: Mapping[str, Any]) -> None:
        """Parameters by name. MLflow never changes one: a value that differs from the run's becomes a tag."""
        self._append("params", values)

    def set_tags(self, values: Mapping[str, Any]) -> None:
        """Tags by name; the last value of a name stays."""
        self._append("tags", values)

    def describe(self, text: str, picture: str | None = None) -> None:
        """The run's description: Markdown, and below it a picture of the run; one that a person edited stays.

        Args:
            text: the Markdown.
            picture: path of a file of the run, such as `pictures/best-01.jpg`.
        """
        self._outbox.append("description", {"text": text, "picture": picture})

    def log_metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Metrics by name, such as `test/AP50/Dresses`. Infinity becomes NaN: MLflow's charts cannot show it."""
        new = {clean_name(name): float(value) for name, value in values.items()}
        new = {name: value for name, value in new.items() if step > self._last_steps.get(name, -1)}
        finite = {name: value if math.isfinite(value) else math.nan for name, value in new.items()}
        for part in _split_values(finite):
            self._outbox.append("metrics", part, step, durable=False)

    def log_inputs(self, data: Mapping[str, Mapping[str, Any]], context: str) -> None:
        """Data sets that the run read, as `provenance.data` describes them.

        Args:
            data: description by path.
            context: what they were read for, such as `training`.
        """
        for path, description in data.items():
            self._outbox.append("inputs", {"path": path, "context": context, **description})

    def log_file(self, path: Path, folder: str = "") -> None:
        """A file, copied now and sent later, shown under `folder`; MLflow previews pictures and CSV tables."""
        _add_file(self._outbox, path, folder)

    def log_bytes(self, content: bytes | None, name: str) -> None:
        """A small file of that name with this content; none if the content is empty."""
        if content:
            file = self._outbox.new_file(name)
            (self._outbox.folder / file).write_bytes(content)
            self._outbox.append("file", {"place": file, "folder": None})

    def log_folder(self, path: Path, folder: str) -> None:
        """Every file under `path`, shown under `folder`."""
        for file in files.below(path):
            self.log_file(file, (folder / PurePosixPath(file.parent.relative_to(path).as_posix())).as_posix())

    def log_image(self, picture: "Image.Image", key: str, step: int) -> None:
        """One of a series of pictures, which MLflow's charts show by step; the last of a key and step stays."""
        # File names as in `MlflowClient.log_image`, but with a fixed time and id: a repeated picture replaces itself.
        picture_id = uuid.uuid5(uuid.NAMESPACE_URL, f"{key} {step}")
        prefix = clean_name(key).replace("/", "~")
        name = f"{prefix}+step+{step}+timestamp+{self._outbox.header.start}+{picture_id}"
        thumbnail = picture.copy()
        thumbnail.thumbnail(THUMBNAIL)
        for image, suffix in ((picture, ".png"), (thumbnail, "+compressed.webp")):
            file = self._outbox.new_file(name + suffix)
            image.save(self._outbox.folder / file)
            self._outbox.append("file", {"place": file, "folder": "images"})
        self.set_tags({"mlflow.loggedImages": True})

    def log_model(self, folder: Path, example: bytes) -> None:
        """A trained model, loadable with `mlflow.pyfunc`.

        Args:
            folder: what `Detector.save` wrote.
            example: bytes of a photo, the model's example input.
        """
        copy = self._outbox.new_file("model")
        shutil.copytree(folder, self._outbox.folder / copy)
        (self._outbox.folder / copy).with_name("example").write_bytes(example)
        self._outbox.append("model", {"place": copy})

    def record_model(self, model: Path) -> None:
        """Records that this run trained the model in this folder, so that eval finds the run by the weights.

        MLflow gets DVC's hash of the model as a tag, so that `trace` finds the run from any clone.
        """
        model_hash = dvc_hash.path_hash(model)
        files.write_text(local_runs.model_record(model_hash), self.id)
        self.set_tags({paths.MODEL.as_posix(): model_hash})

    def finish(self) -> None:
        """Ends the run as FINISHED; waits a minute at most for unsent lines."""
        if self._unfinished is not None:
            self._unfinished.unlink(missing_ok=True)
        self._end("FINISHED")

    def fail(self, reason: str) -> None:
        """Ends the run as FAILED with the tag `failure`. A training of the same key continues in this run."""
        self.set_tags({"failure": reason})
        self._end("FAILED")

    def kill(self, **why: str) -> None:
        """Ends the run as KILLED for a reason that is no failure and becomes a tag: `kill(pruned="...")`."""
        if self._unfinished is not None:
            self._unfinished.unlink(missing_ok=True)
        self.set_tags(why)
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
        self._outbox.append("status", {"status": status})
        self._sender.finish()

    def _append(self, kind: str, values: Mapping[str, Any]) -> None:
        for part in _split_values({clean_name(name): clean_value(str(value)) for name, value in values.items()}):
            self._outbox.append(kind, part)


def _add_file(outbox: Outbox, path: Path, folder: str = "") -> None:
    file = outbox.new_file(clean_name(path.name))
    shutil.copyfile(path, outbox.folder / file)
    outbox.append("file", {"place": file, "folder": clean_name(folder) if folder else None})


def _create(
    params: Params, key: str, name: str | None = None, run: str | None = None, parent: str | None = None
) -> Outbox:
    header = RunHeader(
        server=server_address(),
        experiment=os.environ.get("MLFLOW_EXPERIMENT_NAME") or params.data.name,
        name=name or os.environ.get("DVC_EXP_NAME") or f"{key[:7]} {params.train.detector} {params.train.resolution}",
        start=now_ms(),
        parent=parent or os.environ.get(paths.PARENT_RUN_VARIABLE),
        run=run,
    )
    return Outbox.create(header)


def _log_origin(run: Run, params: Params) -> None:
    """Logs what the run is made from: parameters, code, packages, machine and data."""
    run.log_params(params.flat())
    run.set_tags(provenance.tags(params))
    provenance.report_gap()
    run.log_inputs(provenance.data(params), "training")
    run.log_bytes(provenance.patch(), "changes.patch")


def _recorded_outbox(record: Path) -> Outbox | None:
    """The outbox whose id that file holds, if it belongs to the server and the run of the environment."""
    outbox = find_outbox(record.read_text(encoding="utf-8")) if record.exists() else None
    if outbox is None or outbox.header.server != server_address():
        return None
    names = (None, outbox.id, outbox.header.run, outbox.header.replaces, outbox.sent()[0])
    return outbox if os.environ.get("MLFLOW_RUN_ID") in names else None


def _find(run: str | None) -> Outbox | None:
    """The outbox of the run with that id, its own or MLflow's, if it belongs to the server in use."""
    outbox = outbox_of_run(run) if run else None
    return outbox if outbox and outbox.header.server == server_address() else None


def _split_values(values: dict[str, Any]) -> list[dict[str, Any]]:
    items = list(values.items())
    return [dict(items[start : start + VALUES_PER_LINE]) for start in range(0, len(items), VALUES_PER_LINE)]
