"""Runs read back from MLflow: search by id, name or tag, download of their files, and upload of further ones."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apparel.errors import UserError
from apparel.tracking.artifacts import Artifacts
from apparel.tracking.receipt import stored_run
from apparel.tracking.server import DATABASE, LOCAL_SERVER, connect, reason, server_address, tracking_uri

if TYPE_CHECKING:
    from mlflow.entities import Run


@dataclass(frozen=True)
class StoredRun:
    """A run in MLflow.

    Attributes:
        id: MLflow's.
        name: as MLflow shows it.
        status: such as `FINISHED`.
        params: parameters by dotted name, as text.
        tags: tags by name.
        metrics: last value of each metric.
        data: DVC's hash of each input by its path.
    """

    id: str
    name: str
    status: str
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]
    data: dict[str, str]


@contextmanager
def mlflow_errors() -> Iterator[None]:
    """Raises errors of MLflow, of its store, and of what its client makes of an answer that is not MLflow's."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001 - of several libraries
        remedy = "start or repair it, or name another with MLFLOW_TRACKING_URI"
        raise UserError(f"MLflow at {server_address()} cannot be read ({reason(error)}); {remedy}") from None


class Reader:
    """The runs of the server in use. Every method raises `UserError` when the server cannot be reached."""

    def __init__(self) -> None:
        with mlflow_errors():
            # `connect` would create a missing database, which takes seconds; it has no runs.
            empty = tracking_uri() == LOCAL_SERVER and not DATABASE.exists()
            self._client = None if empty else connect(tracking_uri())

    def find(self, name: str) -> StoredRun | None:
        """The run of that id or name, or None.

        Raises:
            UserError: several runs have the name; lists their ids.
        """
        if re.fullmatch("[0-9a-f]{32}", name):
            runs = self._search(f"attributes.run_id = '{name}'")
        else:
            runs = [] if "'" in name else self._search(f"attributes.run_name = '{name}'")
        if len(runs) > 1:
            ids = ", ".join(run.id for run in runs)
            raise UserError(f"{len(runs)} runs are named '{name}'; name one by its id: {ids}")
        return runs[0] if runs else None

    def tagged(self, **tags: str) -> list[StoredRun]:
        """The runs that have all of these tags, the latest first."""
        return self._search(" and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items()))

    def fetch(self, run: str, path: str, folder: Path) -> Path:
        """Downloads a file or folder of a run into `folder`; returns its local path.

        Raises:
            UserError: the run has no such file.
        """
        with mlflow_errors():
            parent = path.rpartition("/")[0] or None
            if path not in {file.path for file in self._client.list_artifacts(run, parent)}:
                raise UserError(f"MLflow's run {run} has no {path}")
            return Path(self._client.download_artifacts(run, path, str(folder)))

    def attach(self, run: str, file: Path, folder: str) -> None:
        """Uploads a file to a run, under `folder`."""
        with mlflow_errors():
            Artifacts(self._client, stored_run(self._client, run).info.artifact_uri).upload(file, folder)

    def _search(self, condition: str) -> list[StoredRun]:
        if self._client is None:
            return []
        with mlflow_errors():
            experiments = [experiment.experiment_id for experiment in self._client.search_experiments()]
            return [_stored(run) for run in self._client.search_runs(experiments, condition)]


def _stored(run: "Run") -> StoredRun:
    inputs: list[Any] = run.inputs.dataset_inputs if run.inputs else []
    digests = {entry.dataset.name: entry.dataset.digest for entry in inputs}
    info, data = run.info, run.data
    return StoredRun(info.run_id, info.run_name, info.status, data.params, data.tags, data.metrics, digests)
