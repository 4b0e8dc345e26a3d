"""Upload of files to MLflow's artifact store, confirmed by its listing."""

import filecmp
import posixpath
import shutil
import tempfile
from pathlib import Path
from typing import Any

from apparel.tracking.receipt import Unconfirmed, require


class Artifacts:
    """The artifacts of a run or a logged model.

    Ours, since MLflow's client takes the address of a run's artifacts from any answer: without one it copies the files
    into the working directory, and lists them there.
    """

    def __init__(self, client: Any, uri: str) -> None:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
        from mlflow.utils.uri import add_databricks_profile_info_to_artifact_uri

        uri = add_databricks_profile_info_to_artifact_uri(uri, client.tracking_uri)
        self._store = get_artifact_repository(uri, tracking_uri=client.tracking_uri)
        self._listings: dict[str, dict[str, int | None]] = {}

    def sizes(self, folder: str | None, fresh: bool = False) -> dict[str, int | None]:
        """Bytes of each file of a folder by its path, None where the store does not say."""
        key = folder or ""
        if fresh or key not in self._listings:
            files = self._store.list_artifacts(folder)
            self._listings[key] = {file.path: file.file_size for file in files if not file.is_dir}
        return self._listings[key]

    def upload(self, file: Path, folder: str | None) -> None:
        """Uploads a file and looks whether it is there.

        Raises:
            Unconfirmed: the store does not have it.
        """
        path, size = artifact_path(file.name, folder), file.stat().st_size
        replaced = self.sizes(folder).get(path)
        self._store.log_artifact(str(file), folder)
        stored = self.sizes(folder, fresh=True)
        if not stored and folder and file.name == posixpath.basename(folder):
            # MLflow's client for HTTP takes a folder that lists one file of its own name for that file, and shows none.
            self._compare(file, path)
            return
        require([] if path in stored and stored[path] in (size, None) else [f"file {path}"])
        if stored[path] in (replaced, None):  # an older file of this size would be listed in the same way
            self._compare(file, path)

    def upload_folder(self, source: Path) -> None:
        """Uploads each file below a folder."""
        for file in sorted(source.rglob("*")):
            if file.is_file():
                folder = file.parent.relative_to(source).as_posix()
                self.upload(file, None if folder == "." else folder)

    def fetch(self, path: str, target: Path) -> None:
        """Downloads a file to a path.

        Raises:
            Unconfirmed: the store does not have it.
        """
        parent = path.rpartition("/")[0] or None
        size = self.sizes(parent, fresh=True).get(path, -1)
        require([f"file {path}"] if size == -1 else [])
        with tempfile.TemporaryDirectory() as folder:
            content = Path(self._store.download_artifacts(path, folder)).read_bytes()
        if size not in (len(content), None):
            raise Unconfirmed(f"what answers there gives another file than {path}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def fetch_folder(self, path: str, target: Path) -> None:
        """Downloads each file below a folder into `target`, which exists.

        Raises:
            Unconfirmed: the store has no such folder.
        """
        require([] if self._store.list_artifacts(path) else [f"folder {path}"])
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(self._store.download_artifacts(path, folder), target, dirs_exist_ok=True)

    def _compare(self, file: Path, path: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            stored = Path(self._store.download_artifacts(path, folder))
            require([] if filecmp.cmp(file, stored, shallow=False) else [f"the new file {path}"])


def artifact_path(name: str, folder: str | None) -> str:
    """The path of a file as listings show it."""
    return f"{folder}/{name}" if folder else name
