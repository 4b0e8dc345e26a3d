"""Models by name: a folder, an exported file, an ensemble, the workspace, an experiment or commit, a model in MLflow or
a bucket.

A model that does not lie here as files is copied into `.apparel/` once, and compared with its checksums each time; one
in a bucket is copied again when the bucket lists other files.
"""

import re
from contextlib import suppress
from pathlib import Path, PurePosixPath

from filelock import FileLock

from apparel import paths
from apparel.analysis import recipes
from apparel.analysis.result_sets import RUN_ID, WORKSPACE
from apparel.errors import UserError, plain
from apparel.inference import ensemble_file
from apparel.tracking import registry
from apparel.tracking.reader import Reader
from apparel.utils import bucket_files, buckets, files, limits
from apparel.utils.addresses import reason
from apparel.versioning import dvc_hash, dvc_lock, git

KEPT = paths.LOCAL / "cached-models"
"""Models of commits, copied from DVC's cache, each in a folder named by DVC's hash of it; and those of buckets."""

MODEL_FILES = ("pipeline.config", "saved_model.pb")
"""A folder with one of these files is a model; another folder may share its name with an experiment."""


MAX_STORED_FILES = 1_000
"""Files of a model in a bucket; one of the project's own has ten."""


def resolve(name: str) -> Path:
    """The folder or file of a model.

    Args:
        name: looked up in this order: `workspace`, the model of the last `dvc repro`; an address in a bucket; a file,
            or a folder with a model; an ensemble, a file of configs/ensembles without its ending; `models:/…`, a model
            in MLflow; the id of a run in MLflow; an experiment or commit; an alias of the registered model, such as
            `champion`; the name of a run in MLflow.

    Raises:
        UserError: nothing has that name, it has no model, or its model is damaged or cannot be fetched.
    """
    if "\0" in name:
        raise UserError("the name of a model has no zero bytes")
    if name == WORKSPACE:
        if not paths.MODEL.is_dir():
            raise UserError(
                f"{paths.MODEL} not found: no model was trained here, or this is not the project's root folder; "
                "`dvc repro` trains one, `dvc pull` brings one, --model names another"
            )
        return paths.MODEL
    if buckets.is_address(name):
        return _from_bucket(name)
    if (path := _local(name)) is not None:
        return path
    if (path := ensemble_file.find(name)) is not None:
        return path
    if name.startswith("models:"):
        return registry.find(name)
    if RUN_ID.fullmatch(name):
        return _from_run(name)
    refusal = git.refusal()
    if not refusal:
        with suppress(LookupError):
            revision = git.resolve(name)
            return _from_revision(name, revision)
    return _from_registry_or_run(name, refusal)


def _local(name: str) -> Path | None:
    """The file, or the folder with a model, of that path; None if there is none.

    Raises:
        UserError: it is written as a path, and there is no model.
    """
    path = Path(name)
    try:
        if path.is_file() or any((path / file).is_file() for file in MODEL_FILES):
            return path
        is_folder = path.is_dir()
    except OSError as error:
        raise UserError(f"the model '{plain(name)}' cannot be read: {error.strerror}") from None
    if is_folder and name.startswith((".", "/", "~")):
        raise UserError(f"{path} holds no model: neither {' nor '.join(MODEL_FILES)} is in it")
    return None


def _from_bucket(address: str) -> Path:
    """The copy of a model's folder, or of an exported file, as it is in the bucket now."""
    address = address.rstrip("/")
    stored = bucket_files.listed(address, MAX_STORED_FILES)
    is_file = [file.name for file in stored.values()] == [address]
    if is_file and ensemble_file.is_ensemble(Path(address)):
        raise UserError(f"{plain(address)}: the file of an ensemble lies on this machine; its members may be addresses")
    if not is_file and not any(file in stored for file in MODEL_FILES):
        raise UserError(f"{plain(address)} holds no model: neither {' nor '.join(MODEL_FILES)} is in it")
    copy = KEPT / bucket_files.version_of(address, stored)
    KEPT.mkdir(parents=True, exist_ok=True)
    with FileLock(copy.with_name("lock")):
        if not copy.is_dir():
            with files.replace_folder(copy) as unfinished:
                pairs = [(file, unfinished / name) for name, file in stored.items()]
                bucket_files.fetch_all(pairs, limits.MAX_WEIGHTS_BYTES)
    return copy / PurePosixPath(address).name if is_file else copy


def _from_revision(name: str, revision: str) -> Path:
    md5 = dvc_lock.read_commit(revision).hashes().get(paths.MODEL.as_posix())
    if md5 is None:
        raise UserError(f"{name} has no trained model: its dvc.lock does not name {paths.MODEL.as_posix()}")
    KEPT.mkdir(parents=True, exist_ok=True)
    return _from_cache(name, revision, md5)


def _download(name: str, revision: str, folder: Path) -> None:
    """Writes the model of a commit, from DVC's cache or a remote, into a folder."""
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException, NotDvcRepoError

    root = paths.MODEL.as_posix()
    try:
        project = DVCFileSystem(rev=revision)
        for file in project.find(root):
            inside = PurePosixPath(file).relative_to(root)
            if ".." in inside.parts:
                raise UserError(f"the model of {name} has a file outside of its folder")
            (folder / inside).parent.mkdir(parents=True, exist_ok=True)
            project.get_file(file, str(folder / inside))
    except NotDvcRepoError:
        raise UserError("this is no DVC project; run from the project's root folder") from None
    except FileNotFoundError:
        raise UserError(
            f"the model of {name} is not in DVC's cache; `dvc fetch` or `dvc exp pull` bring it from a remote, "
            f"`git checkout` and `dvc repro` train it again"
        ) from None
    except (DvcException, OSError) as error:
        raise UserError(f"the model of {name} cannot be read: {reason(error)}") from None


def _from_registry_or_run(name: str, refusal: str | None) -> Path:
    """The model of an alias, or of a run by its name; `refusal` is why git could not look for a commit."""
    if re.fullmatch(r"[\w.-]+", name) and registry.Registry().version(name):
        return registry.find(name)
    if run := Reader().find(name):
        return _from_run(run.id)
    if refusal:
        raise UserError(f"'{name}' is no model in MLflow, and whether it is a commit cannot be told: {refusal}")
    trains = f"; `apparel run {name}` trains the recipe of that name" if name in recipes.names() else ""
    raise UserError(
        f"there is no model '{plain(name)}': no file, no folder with a model, no commit or experiment here, no alias "
        f"of the registered model {registry.NAME} and no run in MLflow; `dvc exp list --all-commits` and `apparel ui` "
        f"list what there is, `apparel promote` makes a champion{trains}"
    )


def _from_run(run: str) -> Path:
    folder = registry.Registry().of_run(run) if Reader().find(run) else None
    if folder is None:
        raise UserError(f"MLflow has no model of a run {run}; `apparel ui` shows its runs, `apparel sync` sends them")
    return folder


def _from_cache(name: str, revision: str, md5: str) -> Path:
    """The folder of a commit's model, which DVC's cache has by this hash; copied from there unless it was before.

    Raises:
        UserError: the cache does not have it, or what it has is damaged.
    """
    folder = KEPT / md5
    if folder.is_dir() and dvc_hash.path_hash(folder) == md5:
        return folder
    with FileLock(folder.with_name("lock")), files.replace_folder(folder) as unfinished:
        _download(name, revision, unfinished)
        if dvc_hash.path_hash(unfinished) != md5:
            raise UserError(
                f"the model of {name} is damaged in DVC's cache: its files do not have the hash {md5}; `dvc fetch` "
                "from a remote, or a new training, brings back a whole one"
            )
    return folder
