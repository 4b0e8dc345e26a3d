"""Sends the lines of an outbox to MLflow, while the stage writes them or later.

A stage starts `python -m apparel.tracking.sender ID`. Sending twice, as after a crash, changes nothing: an existing run
is found by its tag, MLflow ignores a metric that it has with the same step, time and value, and tags, parameters,
files and data sets replace themselves.
"""

import json
import logging
import re
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from typing import Any

from filelock import Timeout

from apparel import paths
from apparel.tracking import model
from apparel.tracking.outbox import OUTBOXES, Line, Outbox, outbox_of_run
from apparel.tracking.server import DATABASE, LOCAL_SERVER, connect, reason, with_password, without_password

ID_TAG = "apparel.id"
"""Tag with the id of a run's outbox, by which a run is found that was created before a crash."""

ENDINGS = {"failure", "pruned", "stopped"}
"""Tags that say why a run ended, removed when it continues."""

REQUEST = 1000
"""Weight of one request: a metric counts 1, a parameter or tag 10. MLflow takes 1000 metrics, 100 params, 100 tags."""

LONGEST_PAUSE = 60
"""Seconds, at most, between attempts while the server is away."""


class Sender:
    """Sends one outbox to the server that its header names.

    Attributes:
        refused: what the server rejected for good, a message for each line.
    """

    def __init__(self, outbox: Outbox) -> None:
        self.refused: list[str] = []
        self._outbox = outbox
        self._client = connect(with_password(outbox.header.server))
        self._run: str | None = None
        self._sent = 0

    def send(self, progress: Callable[[int], Any] = lambda lines: None) -> None:
        """Sends all unsent lines; calls `progress` with the number of lines of each request.

        Raises:
            Timeout: another process sends this outbox now.
            Exception: whatever MLflow's client raises when the server is away or fails. What arrived is recorded.
        """
        with self._outbox.lock.acquire(timeout=2):
            self._run, self._sent = self._outbox.sent()
            limit = REQUEST
            while batch := _first_request(self._outbox.lines(self._sent), limit):
                self._run = self._run or self._find_or_create()
                try:
                    self._deliver(batch)
                except Exception as error:
                    if not _is_refusal(error):
                        raise
                    if self._run_is_gone():
                        self._forget_run(error)
                        continue
                    if len(batch) > 1:
                        limit = 1  # line by line, to find the rejected one
                        continue
                    self.refused.append(without_password(f"MLflow refused {batch[0].kind} {batch[0].values}: {error}"))
                limit = REQUEST
                self._advance(batch)
                progress(len(batch))

    def _forget_run(self, error: Exception) -> None:
        """Starts again from the first line with a new run; a run given by its id is not replaced."""
        if self._outbox.header.run:
            raise error
        self._run, self._sent = None, 0

    def _advance(self, batch: list[Line]) -> None:
        self._sent = batch[-1].end
        self._outbox.advance(self._run, self._sent)
        if batch[0].kind in ("file", "model"):
            self._outbox.discard(batch[0].values["place"])

    def _deliver(self, batch: list[Line]) -> None:
        line = batch[0]
        match line.kind:
            case "status":
                self._set_status(line)
            case "inputs":
                self._client.log_inputs(self._run, [_data_set(**line.values)])
            case "file":
                file = self._outbox.folder / line.values["place"]
                if file.exists():  # else sent to an earlier run, which is gone
                    self._client.log_artifact(self._run, str(file), line.values["folder"])
            case "model":
                folder = self._outbox.folder / line.values["place"]
                if folder.exists():
                    model.log(self._client, self._run, folder, folder.with_name("example"))
            case _:
                self._log_batch(batch)

    def _log_batch(self, batch: list[Line]) -> None:
        from mlflow.entities import Metric, Param, RunTag

        values: dict[str, dict[str, Any]] = {"params": {}, "tags": {}}
        metrics = []
        for line in batch:
            if line.kind == "metrics":
                metrics += [Metric(name, value, line.time, line.step) for name, value in line.values.items()]
            else:
                values[line.kind] |= line.values
        params, tags = values["params"], values["tags"]
        if params:  # MLflow never changes a parameter
            logged = self._client.get_run(self._run).data.params
            tags |= {f"changed.{name}": value for name, value in params.items() if logged.get(name, value) != value}
            params = {name: value for name, value in params.items() if name not in logged}
        self._client.log_batch(
            self._run, metrics, [Param(*item) for item in params.items()], [RunTag(*item) for item in tags.items()]
        )

    def _set_status(self, line: Line) -> None:
        if line.values["status"] != "RUNNING":
            self._client.set_terminated(self._run, line.values["status"], line.time)
            return
        self._client.update_run(self._run, "RUNNING")
        for name in ENDINGS & self._client.get_run(self._run).data.tags.keys():
            self._client.delete_tag(self._run, name)

    def _find_or_create(self) -> str:
        header = self._outbox.header
        experiment = self._experiment(header.experiment)
        if header.run:
            return self._resolve(header.run, experiment)
        run = self._tagged(self._outbox.id, experiment)
        if run:
            return run
        tags = {ID_TAG: self._outbox.id}
        if header.parent:
            tags["mlflow.parentRunId"] = self._resolve(header.parent, experiment)
        return self._client.create_run(experiment, header.start, tags, header.name).info.run_id

    def _resolve(self, name: str, experiment: str) -> str:
        """MLflow's id of another run, given by that id or by the id of its outbox; one of this clone is sent first."""
        outbox = outbox_of_run(name)
        if outbox and outbox.header.server == self._outbox.header.server:
            if not outbox.sent()[0]:
                Sender(outbox).send()
            return outbox.sent()[0]
        return self._tagged(name, experiment) or self._client.get_run(name).info.run_id

    def _tagged(self, name: str, experiment: str) -> str | None:
        """MLflow's id of the run with that outbox."""
        runs = self._client.search_runs([experiment], f"tags.`{ID_TAG}` = '{name}'", max_results=1)
        return runs[0].info.run_id if runs else None

    def _experiment(self, name: str) -> str:
        existing = self._client.get_experiment_by_name(name)
        if existing:
            return existing.experiment_id
        experiment = self._client.create_experiment(name, tags={"mlflow.experimentKind": "custom_model_development"})
        if self._outbox.header.server == LOCAL_SERVER:
            # MLflow writes an absolute path here: its files would be lost when the project is moved.
            with closing(sqlite3.connect(DATABASE, timeout=30)) as database, database:
                location = f"mlartifacts/{experiment}"
                database.execute(
                    "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (location, experiment)
                )
        return experiment

    def _run_is_gone(self) -> bool:
        """Whether the run was deleted in MLflow, or MLflow's store replaced."""
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_run(self._run).info.lifecycle_stage == "deleted"
        except MlflowException as error:
            return error.error_code == "RESOURCE_DOES_NOT_EXIST"


def follow(outbox: Outbox) -> None:
    """Sends what a stage writes until the stage closes this process's standard input or dies; then once more."""
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.buffer.read(), ended.set()), daemon=True).start()
    sender, pause, last = None, 1, False
    while not last:
        last = ended.is_set()
        try:
            sender = sender or Sender(outbox)
            sender.send()
            pause = 1
        except Timeout:
            last = False  # another process sends this outbox: wait for it
        except Exception as error:
            logging.exception("not sent")
            if pause == 1:
                _print(f"warning: {problem(outbox, error)}; the run is kept in {paths.LOCAL.name} and sent later")
            pause = min(2 * pause, LONGEST_PAUSE)
        ended.wait(pause)
    for refusal in sender.refused if sender else ():
        _print(f"warning: {refusal}")


def problem(outbox: Outbox, error: Exception) -> str:
    """One line on what went wrong, without the password of the server's address."""
    if isinstance(error, Timeout):
        return "another process sends this run now"
    server, why = outbox.header.server, reason(error)
    asks = with_password(server) == server and re.search(r"\b40[13]\b|password|unauthorized", why, re.IGNORECASE)
    remedy = "; put user and password into MLFLOW_TRACKING_URI, they are not stored" if asks else ""
    return f"MLflow at {server} does not take the run ({why}){remedy}"


def _first_request(lines: Iterable[Line], limit: int) -> list[Line]:
    """As many lines as fit into one request; a line other than metrics, params or tags is sent alone."""
    batch: list[Line] = []
    for line in lines:
        weight = {"metrics": 1, "params": 10, "tags": 10}.get(line.kind, REQUEST) * len(line.values)
        if batch and weight > limit:
            break
        batch.append(line)
        limit -= weight
    return batch


def _is_refusal(error: Exception) -> bool:
    """Whether a retry cannot help: the request is invalid, or the run is gone."""
    from mlflow.exceptions import MlflowException
    from requests import HTTPError

    if isinstance(error, HTTPError):
        return error.response is not None and error.response.status_code in (400, 413)
    return isinstance(error, MlflowException) and error.error_code in (
        "INVALID_PARAMETER_VALUE",
        "RESOURCE_DOES_NOT_EXIST",
        "ENDPOINT_NOT_FOUND",  # a server older than MLflow 3, which has no models
    )


def _data_set(path: str, context: str, md5: str, **description: Any) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    # DVC's hash of a folder, `<md5>.dir`, has 36 characters, the longest digest that MLflow takes.
    dataset = Dataset(path, md5, "dvc", json.dumps({"path": path}), profile=json.dumps(description))
    return DatasetInput(dataset, [InputTag("mlflow.data.context", context)])


class _PasswordFreeFormatter(logging.Formatter):
    """Leaves the password out of tracebacks too: the log stays in the run's folder."""

    def format(self, record: logging.LogRecord) -> str:
        return without_password(super().format(record))


def _print(text: str) -> None:
    with suppress(OSError):  # the stage died and closed the pipe
        print(text, flush=True)


def main() -> None:
    """Sends the outbox that the first argument names."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the training, which then reports how it ended
    handler = logging.StreamHandler()
    handler.setFormatter(_PasswordFreeFormatter("%(asctime)s %(message)s"))
    logging.basicConfig(handlers=[handler])
    follow(Outbox(OUTBOXES / sys.argv[1]))


if __name__ == "__main__":
    main()
