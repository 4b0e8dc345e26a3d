"""MLflow's model registry: versions of the registered model `garments`, the alias `champion`, and their files.

path = registry.find("champion")       # a model folder, downloaded and checked
version = registry.Registry().version("champion")
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from apparel import paths
from apparel.errors import UserError
from apparel.tracking import model
from apparel.tracking.artifacts import Artifacts
from apparel.tracking.reader import mlflow_errors
from apparel.tracking.receipt import INVALID, MISSING, is_mlflows, require, stored_run
from apparel.tracking.server import DATABASE, LOCAL_SERVER, clean_name, connect, server_address, tracking_uri
from apparel.utils import files
from apparel.versioning import dvc_hash, integrity

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

NAME = "garments"
"""The registered model in MLflow; `artifacts:` of dvc.yaml has the same name."""

CHAMPION = "champion"
"""Alias of the version that `apparel promote` chose, and that `predict` and `serve` take by this name."""

MODEL_TAG = "apparel.model"
"""Tag of a version: DVC's hash of the model folder, as in dvc.lock."""

EXISTS = "RESOURCE_ALREADY_EXISTS"
"""MLflow's error code for a registered model that another process created first."""

FILES = "artifacts/model"
"""Where a logged model of MLflow keeps the model folder, see `model.save`."""

FOLDER = paths.LOCAL / "registry"
"""Model folders that were downloaded, by MLflow's id of the logged model."""

ADDRESS = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))?")
"""MLflow's addresses of models: `models:/garments@champion`, `models:/garments/3`, `models:/m-...`."""


@dataclass(frozen=True)
class Version:
    """A version of a registered model.

    Attributes:
        name: of the registered model.
        number: counts from 1.
        logged: MLflow's id of the logged model, `m-...`.
        run: MLflow's id of the run that trained it.
        model: DVC's hash of the model folder; None if another program registered the version.
        tags: by name.
    """

    name: str
    number: int
    logged: str
    run: str
    model: str | None
    tags: dict[str, str]

    def __str__(self) -> str:
        return f"{self.name} version {self.number}"


def find(name: str) -> Path:
    """The folder of a registered model: downloaded once into `.apparel/registry`, compared with its checksums.

    Args:
        name: an alias of `garments`, such as `champion`, or an address: `models:/NAME@ALIAS`, `models:/NAME/VERSION` or
            `models:/ID` of a logged model.

    Raises:
        UserError: MLflow has no such model or cannot be read, or its files are damaged.
    """
    registry = Registry()
    address = ADDRESS.fullmatch(name)
    if name.startswith("models:") and not address:
        raise UserError(f"'{name}' is no address of a model; the form is models:/{NAME}@{CHAMPION} or models:/{NAME}/3")
    if address and not address["alias"] and not address["version"]:
        return registry.fetch(address["name"])
    registered = address["name"] if address else NAME
    number = int(address["version"]) if address and address["version"] else None
    alias = (address["alias"] if address else name) or ""
    version = registry.numbered(number, registered) if number else registry.version(alias, registered)
    if version is None:
        which = f"version {number}" if number else f"version with the alias '{alias}'"
        raise UserError(
            f"MLflow at {server_address()} has no {which} of the model '{registered}'; `apparel promote` makes one, "
            "MLFLOW_TRACKING_URI names another server"
        )
    return registry.fetch(version.logged, version.model)


class Registry:
    """The registry of the server in use. Every method raises `UserError` when the server cannot be reached."""

    def __init__(self) -> None:
        with mlflow_errors():
            # `connect` would create a missing database, which takes seconds; it has no versions.
            empty = tracking_uri() == LOCAL_SERVER and not DATABASE.exists()
            self._client = None if empty else connect(tracking_uri())

    def version(self, alias: str, name: str = NAME) -> Version | None:
        """The version with that alias; None if there is none."""
        return self._answer(lambda: self._client.get_model_version_by_alias(name, alias))

    def numbered(self, number: int, name: str = NAME) -> Version | None:
        """The version of that number; None if there is none."""
        return self._answer(lambda: self._client.get_model_version(name, str(number)))

    def logged_model(self, run: str) -> str:
        """MLflow's id of the model that a run trained.

        Raises:
            UserError: the run has none.
        """
        with mlflow_errors():
            logged = model.logged_id(self._client, stored_run(self._client, run))
        if logged is None:
            raise UserError(
                f"MLflow's run {run} has no model: `apparel sync` sends what waits here, and "
                "`dvc repro --force train` trains it with a model of its own"
            )
        return logged

    def register(self, run: str, model_hash: str) -> Version:
        """The version of `garments` of the model that a run trained; made if there is none yet.

        A repetition after a crash finds the version made before. Where two processes made one each, the first stays.

        Args:
            run: MLflow's id of the run.
            model_hash: DVC's hash of the model folder.

        Raises:
            UserError: the run has no model in MLflow, or another one.
        """
        logged = self.logged_model(run)
        self.fetch(logged, model_hash)
        with mlflow_errors():
            self._create_registered()
            if not self._versions_of(logged):
                _look_up_models_at(self._client.tracking_uri)
                tags = {MODEL_TAG: model_hash}
                self._client.create_model_version(NAME, f"models:/{logged}", run, tags, model_id=logged)
            versions = self._versions_of(logged)
            require([] if versions else [f"the version of {NAME}"])
            for surplus in versions[1:]:
                self._delete(surplus)
            return _version(versions[0])

    def set_alias(self, version: Version) -> None:
        """Moves the alias `CHAMPION` to a version, and looks whether it is there.

        Raises:
            UserError: another process moved it at the same time.
        """
        with mlflow_errors():
            self._client.set_registered_model_alias(version.name, CHAMPION, str(version.number))
        now = self.version(CHAMPION, version.name)
        if now is None or now.number != version.number:
            raise UserError(f"another process moved the alias '{CHAMPION}' to {now} at the same time; look, and repeat")

    def set_tags(self, version: Version, tags: dict[str, str]) -> None:
        """Sets tags of a version."""
        with mlflow_errors():
            for name, value in tags.items():
                self._client.set_model_version_tag(version.name, str(version.number), clean_name(name), value)

    def describe(self, version: Version, text: str) -> None:
        """Sets a version's description, which MLflow shows as Markdown."""
        with mlflow_errors():
            self._client.update_model_version(version.name, str(version.number), text)

    def fetch(self, logged: str, model_hash: str | None = None) -> Path:
        """The model folder of a logged model; downloaded where it is not here whole.

        Args:
            logged: MLflow's id of the logged model.
            model_hash: DVC's hash of the folder, if it is known.

        Raises:
            UserError: MLflow has no such model, or its files are not those that were recorded.
        """
        folder = FOLDER / clean_name(logged).replace("/", "_") / "model"
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name("lock")):
            if _problem(folder, model_hash):
                self._download(logged, folder)
            if problem := _problem(folder, model_hash):
                files.remove_tree(folder)
                raise UserError(f"the files of model {logged} at {server_address()} are damaged or others: {problem}")
        return folder

    def of_run(self, run: str) -> Path | None:
        """The model folder of the model that a run trained, as `fetch` gives it; None if MLflow has no model of it."""
        if self._client is None:
            return None
        with mlflow_errors():
            logged = model.logged_id(self._client, stored_run(self._client, run))
        return self.fetch(logged) if logged else None

    def _download(self, logged: str, folder: Path) -> None:
        if self._client is None:
            raise UserError(f"MLflow at {server_address()} has no model {logged}")
        with mlflow_errors():
            try:
                uri = self._client.get_logged_model(logged).artifact_location
            except Exception as error:
                if is_mlflows(error, MISSING, INVALID):
                    raise UserError(f"MLflow at {server_address()} has no model {logged}") from None
                raise
            with files.replace_folder(folder) as unfinished:
                Artifacts(self._client, uri).fetch_folder(FILES, unfinished)

    def _answer(self, ask: Any) -> Version | None:
        if self._client is None:
            return None
        with mlflow_errors():
            try:
                return _version(ask())
            except Exception as error:
                if is_mlflows(error, MISSING, INVALID):
                    return None
                raise

    def _create_registered(self) -> None:
        try:
            self._client.create_registered_model(NAME, description="Detectors; `apparel promote` adds to them.")
        except Exception as error:
            if not is_mlflows(error, EXISTS):
                raise

    def _versions_of(self, logged: str) -> list["ModelVersion"]:
        """The versions of a logged model, the first one first."""
        versions = self._client.search_model_versions(f"name = '{NAME}'", max_results=1000)
        mine = [version for version in versions if logged in (version.model_id, version.source.rpartition("/")[2])]
        return sorted(mine, key=lambda version: int(version.version))

    def _delete(self, version: "ModelVersion") -> None:
        try:
            self._client.delete_model_version(version.name, version.version)
        except Exception as error:
            if not is_mlflows(error, MISSING):  # else the other process deleted it
                raise


def _look_up_models_at(uri: str) -> None:
    """Lets MLflow look up addresses models:/… there: its SQL store asks its global setting, not the client's."""
    import mlflow

    if mlflow.get_tracking_uri() != uri:
        mlflow.set_tracking_uri(uri)


def _version(stored: "ModelVersion") -> Version:
    logged = stored.model_id or stored.source.rpartition("/")[2]
    return Version(stored.name, int(stored.version), logged, stored.run_id, stored.tags.get(MODEL_TAG), stored.tags)


def _problem(folder: Path, model_hash: str | None) -> str | None:
    """Why the files in a model folder are not those of a model; None if they are."""
    try:
        integrity.check_checksums(folder, "train")
    except UserError as error:
        return str(error).partition(";")[0]
    if model_hash and dvc_hash.path_hash(folder) != model_hash:
        return f"their hash is {dvc_hash.path_hash(folder)}, recorded is {model_hash}"
    return None
