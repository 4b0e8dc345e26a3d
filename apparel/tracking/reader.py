"""Runs read back from MLflow: by id or name or tag, with their files; and files put beside them afterwards."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apparel.errors import UserError
from apparel.tracking import sender
from apparel.tracking.runs import LOCAL_SERVER, server, without_password

if TYPE_CHECKING:
    from mlflow.entities import Run


@dataclass(frozen=True)
class StoredRun:
    """A run as MLflow has it; parameters and tags are text, `data` holds the DVC hash of each input by its path."""

    id: str
    name: str
    status: str
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]
    data: dict[str, str]


class Reader:
    """The runs of the server in use. Each method raises `UserError` when that is away."""

    def __init__(self) -> None:
        with _answering():
            # A store that is not there yet has no runs, and reading is no reason to make one.
            nothing = server() == LOCAL_SERVER and not sender.DATABASE.exists()
            self._client = None if nothing else sender.connect(server())

    def find(self, what: str) -> StoredRun | None:
        """The run of that id or name.

        Raises:
            UserError: several runs have the name; says which.
        """
        if re.fullmatch("[0-9a-f]{32}", what):
            found = self._search(f"attributes.run_id = '{what}'")
        else:
            found = [] if "'" in what else self._search(f"attributes.run_name = '{what}'")
        if len(found) > 1:
            ids = ", ".join(run.id for run in found)
            raise UserError(f"{len(found)} runs are named '{what}'; name one by its id: {ids}")
        return found[0] if found else None

    def tagged(self, **tags: str) -> list[StoredRun]:
        """The runs that have all of these tags, the latest first."""
        return self._search(" and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items()))

    def fetch(self, run: str, path: str, folder: Path) -> Path:
        """Copies a file of a run, or a folder of files, into `folder`; returns where it is now.

        Raises:
            UserError: the run has no such file.
        """
        with _answering():
            within = path.rpartition("/")[0] or None
            if path not in {file.path for file in self._client.list_artifacts(run, within)}:
                raise UserError(f"MLflow's run {run} has no {path}")
            return Path(self._client.download_artifacts(run, path, str(folder)))

    def attach(self, run: str, file: Path, folder: str) -> None:
        """Puts a file beside those of a run, under `folder`."""
        with _answering():
            self._client.log_artifact(run, str(file), folder)

    def _search(self, condition: str) -> list[StoredRun]:
        if self._client is None:
            return []
        with _answering():
            experiments = [experiment.experiment_id for experiment in self._client.search_experiments()]
            return [_stored(run) for run in self._client.search_runs(experiments, condition)]


def _stored(run: "Run") -> StoredRun:
    inputs: list[Any] = run.inputs.dataset_inputs if run.inputs else []
    digests = {each.dataset.name: each.dataset.digest for each in inputs}
    info, data = run.info, run.data
    return StoredRun(info.run_id, info.run_name, info.status, data.params, data.tags, data.metrics, digests)


@contextmanager
def _answering() -> Iterator[None]:
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError  # of a damaged database, which MLflow passes on

    try:
        yield
    except (MlflowException, RequestException, SQLAlchemyError) as error:
        reason = without_password(" ".join(str(error).split())[:300])
        remedy = "start or mend it, or name another with MLFLOW_TRACKING_URI"
        raise UserError(f"MLflow at {without_password(server())} cannot be read ({reason}); {remedy}") from None
