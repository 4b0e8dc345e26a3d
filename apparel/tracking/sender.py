"""Sends to MLflow what waits in an outbox; the only module that imports mlflow.

`python -m apparel.tracking.sender ID`, started by a stage, sends while the stage writes. Whatever is sent again after
a crash changes nothing: the run is found by a tag before one is made, MLflow ignores a metric that it has with the
same step, time and value, and tags, parameters, files and data sets replace themselves.
"""

import json
import logging
import os
import shutil
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from apparel import paths
from apparel.tracking import model, outbox
from apparel.tracking.outbox import Line, Outbox
from apparel.tracking.runs import LOCAL_SERVER, without_password

DATABASE = Path("mlflow.db")
ID_TAG = "apparel.id"
ENDINGS = {"failure", "pruned", "stopped"}
"""Tags that say why a run ended; one that goes on loses them."""

REQUEST = 1000
"""What one request may hold: a metric counts 1, a parameter or a tag 10, which keeps to MLflow's limits."""

LONGEST_PAUSE = 60
"""Seconds between attempts at a server that stays away."""

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # A request fails soon, and `follow` tries again later: nothing hangs on a server that does not answer.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


class Sender:
    """Sends one outbox to the server that its head names. `refused` holds what that will never take."""

    def __init__(self, box: Outbox) -> None:
        self.refused: list[str] = []
        self._box = box
        self._client = connect(box.head.server)
        self._run: str | None = None
        self._sent = 0

    def send(self, progress: Callable[[int], Any] = lambda lines: None) -> None:
        """Sends all that waits, and tells `progress` how many lines arrived.

        Raises:
            Timeout: another process sends this outbox now.
            Exception: whatever MLflow's client raises when the server is away or fails. What arrived is recorded.
        """
        with self._box.lock.acquire(timeout=2):
            self._run, self._sent = self._box.sent()
            limit = REQUEST
            while batch := _first_request(self._box.lines(self._sent), limit):
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
                        limit = 1  # line by line, to find the one that is refused
                        continue
                    self.refused.append(f"MLflow refused {batch[0].kind} {batch[0].values}: {error}")
                limit = REQUEST
                self._advance(batch)
                progress(len(batch))

    def _forget_run(self, error: Exception) -> None:
        """A new run gets everything, from the first line on; one that was given is not for us to replace."""
        if self._box.head.run:
            raise error
        self._run, self._sent = None, 0

    def _advance(self, batch: list[Line]) -> None:
        self._sent = batch[-1].end
        self._box.advance(self._run, self._sent)
        if batch[0].kind in ("file", "model"):
            self._box.discard(batch[0].values["place"])

    def _deliver(self, batch: list[Line]) -> None:
        line = batch[0]
        match line.kind:
            case "status":
                self._set_status(line)
            case "inputs":
                self._client.log_inputs(self._run, [_data_set(**line.values)])
            case "file":
                file = self._box.folder / line.values["place"]
                if file.exists():  # else an earlier run, now gone, had it
                    self._client.log_artifact(self._run, str(file), line.values["folder"])
            case "model":
                folder = self._box.folder / line.values["place"]
                if folder.exists():
                    model.log(self._client, self._run, folder, folder.with_name("example"))
            case _:
                self._log(batch)

    def _log(self, batch: list[Line]) -> None:
        from mlflow.entities import Metric, Param, RunTag

        values: dict[str, dict[str, Any]] = {"params": {}, "tags": {}}
        metrics = []
        for line in batch:
            if line.kind == "metrics":
                metrics += [Metric(name, value, line.time, line.step) for name, value in line.values.items()]
            else:
                values[line.kind] |= line.values
        params, tags = values["params"], values["tags"]
        if params:  # MLflow never changes one that it has
            had = self._client.get_run(self._run).data.params
            tags |= {f"changed.{name}": value for name, value in params.items() if had.get(name, value) != value}
            params = {name: value for name, value in params.items() if name not in had}
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
        head = self._box.head
        experiment = self._experiment(head.experiment)
        if head.run:
            return self._resolve(head.run, experiment)
        found = self._tagged(self._box.id, experiment)
        if found:
            return found
        tags = {ID_TAG: self._box.id}
        if head.parent:
            tags["mlflow.parentRunId"] = self._resolve(head.parent, experiment)
        return self._client.create_run(experiment, head.start, tags, head.name).info.run_id

    def _resolve(self, name: str, experiment: str) -> str:
        """MLflow's id of another run, given by that id or by its outbox: of this clone, sent first, or of another."""
        box = outbox.of_run(name)
        if box and box.head.server == self._box.head.server:
            if not box.sent()[0]:
                Sender(box).send()
            return box.sent()[0]
        return self._tagged(name, experiment) or self._client.get_run(name).info.run_id

    def _tagged(self, name: str, experiment: str) -> str | None:
        """MLflow's id of the run that has that outbox."""
        found = self._client.search_runs([experiment], f"tags.`{ID_TAG}` = '{name}'", max_results=1)
        return found[0].info.run_id if found else None

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found:
            return found.experiment_id
        experiment = self._client.create_experiment(name, tags={"mlflow.experimentKind": "custom_model_development"})
        if self._box.head.server == LOCAL_SERVER:
            # MLflow would write the absolute path of its folder here, and lose the files when the project moves.
            with closing(sqlite3.connect(DATABASE, timeout=30)) as database, database:
                where = f"mlartifacts/{experiment}"
                database.execute(
                    "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (where, experiment)
                )
        return experiment

    def _run_is_gone(self) -> bool:
        """Whether someone deleted the run in MLflow, or MLflow's store was replaced."""
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_run(self._run).info.lifecycle_stage == "deleted"
        except MlflowException as error:
            return error.error_code == "RESOURCE_DOES_NOT_EXIST"


def follow(box: Outbox) -> None:
    """Sends what a stage writes, until that stage closes this process's standard input or dies; then once more."""
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.buffer.read(), ended.set()), daemon=True).start()
    sender, pause, last = None, 1, False
    while not last:
        last = ended.is_set()
        try:
            sender = sender or Sender(box)
            sender.send()
            pause = 1
        except Timeout:
            last = False  # another process sends this outbox: not over before it is through
        except Exception as error:
            logging.exception("not sent")
            if pause == 1:
                _tell(f"warning: {problem(box, error)}; the run is kept in {paths.LOCAL.name} and sent later")
            pause = min(2 * pause, LONGEST_PAUSE)
        ended.wait(pause)
    for refusal in sender.refused if sender else ():
        _tell(f"warning: {refusal}")


def problem(box: Outbox, error: Exception) -> str:
    """What went wrong, in one line, without a password that the server's address may hold."""
    if isinstance(error, Timeout):
        return "another process sends this run now"
    text = " ".join(str(error).split()) or type(error).__name__
    return without_password(f"MLflow at {box.head.server} does not take the run ({text[:300]})")


def connect(server: str) -> Any:
    """An MLflow client. The project's own store is made first when it is not there yet."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    # Two processes that make the tables of one database at once leave a broken one.
    with FileLock(paths.LOCAL / "mlflow.lock"):
        if server == LOCAL_SERVER and not DATABASE.exists():
            _make_database()
        return MlflowClient(server)


def _make_database() -> None:
    """Makes MLflow's tables, aside: a process killed in these seconds would leave a file that MLflow refuses."""
    from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine

    aside = paths.LOCAL / "new-store"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    engine = create_sqlalchemy_engine(f"sqlite:///{(aside / DATABASE).as_posix()}")
    _initialize_tables(engine)
    engine.dispose()
    (aside / DATABASE).replace(DATABASE)
    aside.rmdir()


def _first_request(lines: Iterable[Line], limit: int) -> list[Line]:
    """As many of the lines as one request can carry: one that is no batch of values goes alone."""
    batch: list[Line] = []
    for line in lines:
        weight = {"metrics": 1, "params": 10, "tags": 10}.get(line.kind, REQUEST) * len(line.values)
        if batch and weight > limit:
            break
        batch.append(line)
        limit -= weight
    return batch


def _is_refusal(error: Exception) -> bool:
    """Whether asking again can't help: the request itself is at fault, or the run is gone."""
    from mlflow.exceptions import MlflowException
    from requests import HTTPError

    if isinstance(error, HTTPError):
        return error.response is not None and error.response.status_code in (400, 413)
    return isinstance(error, MlflowException) and error.error_code in (
        "INVALID_PARAMETER_VALUE",
        "RESOURCE_DOES_NOT_EXIST",
        "ENDPOINT_NOT_FOUND",  # a server from before MLflow 3 takes no models
    )


def _data_set(path: str, context: str, md5: str, **known: Any) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    # 36 characters is the longest digest that MLflow takes: DVC's for a folder, `<md5>.dir`.
    dataset = Dataset(path, md5, "dvc", json.dumps({"path": path}), profile=json.dumps(known))
    return DatasetInput(dataset, [InputTag("mlflow.data.context", context)])


def _tell(text: str) -> None:
    with suppress(OSError):  # the stage is dead and reads no more
        print(text, flush=True)


def main() -> None:
    """Sends the outbox that the first argument names."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the training, which then still has something to say
    logging.basicConfig(format="%(asctime)s %(message)s")
    follow(Outbox(outbox.RUNS / sys.argv[1]))


if __name__ == "__main__":
    main()
