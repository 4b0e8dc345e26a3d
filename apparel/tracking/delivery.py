"""Requests to MLflow for the lines of an outbox, each confirmed by what MLflow then has."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from apparel.tracking import model
from apparel.tracking.artifacts import Artifacts, artifact_path
from apparel.tracking.outbox import Line, Outbox
from apparel.tracking.receipt import check_values, missing_metrics, require, stored_run
from apparel.tracking.server import connect, with_password

VALUES = ("metrics", "params", "tags")
"""Kinds of lines of which many go in one request."""

DESCRIPTION = "mlflow.note.content"
"""Tag that MLflow shows as the description of a run."""

DESCRIPTION_HASH = "apparel.description"
"""Tag with the hash of the description that eval wrote: with another one, a person edited it, and it stays."""

ENDINGS = {"failure", "pruned", "stopped"}
"""Tags that say why a run ended, removed when it continues."""


class Delivery:
    """Sends lines to one run of MLflow.

    Every method raises whatever MLflow's client raises, and `Unconfirmed` if MLflow does not have what was sent.
    """

    def __init__(self, client: Any, run: str, outbox: Outbox) -> None:
        self._client, self._run, self._outbox = client, run, outbox
        self._artifacts: Artifacts | None = None

    def deliver(self, batch: Sequence[Line], repeated: bool) -> None:
        """Sends lines of `VALUES`, or one of another kind.

        Args:
            batch: the lines.
            repeated: whether MLflow may have some of it from an earlier attempt, whose answer was lost.
        """
        line = batch[0]
        match line.kind:
            case "status":
                self._set_status(line)
            case "inputs":
                self._log_input(line)
            case "file":
                self._log_file(line)
            case "description":
                self._describe(**line.values)
            case "model":
                self._log_model(line)
            case _:
                self._log_values(batch, repeated)

    def _log_values(self, batch: Sequence[Line], repeated: bool) -> None:
        from mlflow.entities import Metric, Param, RunTag

        values: dict[str, dict[str, Any]] = {"params": {}, "tags": {}}
        points = []
        for line in batch:
            if line.kind == "metrics":
                points += [Metric(name, value, line.time, line.step) for name, value in line.values.items()]
            else:
                values[line.kind] |= line.values
        params, tags = values["params"], values["tags"]
        if params:  # MLflow never changes a parameter
            logged = stored_run(self._client, self._run).data.params
            tags |= {f"changed.{name}": value for name, value in params.items() if logged.get(name, value) != value}
            params = {name: value for name, value in params.items() if name not in logged}
        # MLflow's file store would keep a point twice.
        new_points = missing_metrics(self._client, self._run, points) if repeated else points
        self._client.log_batch(
            self._run, new_points, [Param(*item) for item in params.items()], [RunTag(*item) for item in tags.items()]
        )
        require([f"metric {point.key}" for point in missing_metrics(self._client, self._run, points)])
        if params or tags:
            check_values(stored_run(self._client, self._run), params, tags)

    def _set_status(self, line: Line) -> None:
        status = line.values["status"]
        if status != "RUNNING":
            self._client.set_terminated(self._run, status, line.time)
            info = stored_run(self._client, self._run).info
            require([] if (info.status, info.end_time) == (status, line.time) else [f"the status {status}"])
            return
        self._client.update_run(self._run, status)
        for name in ENDINGS & stored_run(self._client, self._run).data.tags.keys():
            self._client.delete_tag(self._run, name)
        stored = stored_run(self._client, self._run)
        require([] if stored.info.status == status and not ENDINGS & stored.data.tags.keys() else ["its new status"])

    def _describe(self, text: str, picture: str | None) -> None:
        from mlflow.entities import RunTag

        if picture:
            address = f"get-artifact?path={quote(picture)}&run_uuid={self._run}"
            text = f"{text}\n\n![{Path(picture).stem}]({address})"
        tags = stored_run(self._client, self._run).data.tags
        if DESCRIPTION in tags and _digest(tags[DESCRIPTION]) != tags.get(DESCRIPTION_HASH):
            return
        new_tags = {DESCRIPTION: text, DESCRIPTION_HASH: _digest(text)}
        self._client.log_batch(self._run, tags=[RunTag(*item) for item in new_tags.items()])
        check_values(stored_run(self._client, self._run), {}, new_tags)

    def _log_input(self, line: Line) -> None:
        entry = _dataset_input(**line.values)
        self._client.log_inputs(self._run, [entry])
        inputs = stored_run(self._client, self._run).inputs
        stored = {(known.dataset.name, known.dataset.digest) for known in inputs.dataset_inputs}
        require([] if (entry.dataset.name, entry.dataset.digest) in stored else [f"data set {entry.dataset.name}"])

    def _log_file(self, line: Line) -> None:
        if self._artifacts is None:
            self._artifacts = Artifacts(self._client, stored_run(self._client, self._run).info.artifact_uri)
        folder = line.values["folder"]
        path = artifact_path(Path(line.values["place"]).name, folder)
        copy = self._outbox.folder / line.values["place"]
        if copy.exists() or path not in self._artifacts.sizes(folder):  # else it arrived before an earlier end
            self._artifacts.upload(self._local_copy(line), folder)

    def _log_model(self, line: Line) -> None:
        run, copy = stored_run(self._client, self._run), self._outbox.folder / line.values["place"]
        if copy.exists() or not model.is_logged(self._client, run):
            copy = self._local_copy(line)
            model.log(self._client, run, copy, copy.with_name("example"))

    def _local_copy(self, line: Line) -> Path:
        """The copy of a file or model here; a file that an earlier run took is fetched from there.

        Raises:
            FileNotFoundError: neither is left.
        """
        copy, header = self._outbox.folder / line.values["place"], self._outbox.header
        if copy.exists():
            return copy
        if line.kind == "file" and header.replaces and header.origin:
            earlier = connect(with_password(header.origin))
            uri = stored_run(earlier, header.replaces).info.artifact_uri
            Artifacts(earlier, uri).fetch(artifact_path(copy.name, line.values["folder"]), copy)
            return copy
        gone = f"run {header.replaces} of {header.origin}" if header.origin else "another run"
        raise FileNotFoundError(f"its copy here was deleted when {gone} had it")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _dataset_input(path: str, context: str, md5: str, **description: Any) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    # DVC's hash of a folder, `<md5>.dir`, has 36 characters, the longest digest that MLflow takes.
    dataset = Dataset(path, md5, "dvc", json.dumps({"path": path}), profile=json.dumps(description))
    return DatasetInput(dataset, [InputTag("mlflow.data.context", context)])
