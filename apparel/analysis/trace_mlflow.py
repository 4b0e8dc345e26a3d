"""Links of a chain in MLflow and git: the training's run, its parameters, commit, packages and machine."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apparel import paths
from apparel.analysis.trace_link import Chain, Link, is_code
from apparel.errors import UserError, some_of
from apparel.tracking import local_runs
from apparel.tracking.server import LONGEST_VALUE, server_address
from apparel.utils import yaml
from apparel.utils.nested import flatten
from apparel.versioning import dvc_hash, dvc_lock, git
from apparel.versioning.dvc_lock import Lock

if TYPE_CHECKING:
    from apparel.tracking.reader import Reader, StoredRun

PATCH = "changes.patch"
"""The run's file with the uncommitted changes of the code."""

MODEL_FOLDER = "model"
"""The run's folder with the model."""

ABSENT = (
    "not in this repository; `git fetch`, or `git fetch --unshallow` in a shallow clone, brings it from a remote; "
    "if history was rewritten, `dvc repro --force` runs everything again"
)
"""Problem of a commit that git does not have."""

DIFFERING = (
    "one of the two was edited, or the run is of another training: `git restore dvc.lock` brings back the committed "
    "one, `dvc repro --force train` makes a matching run"
)
"""Remedy where the run and dvc.lock differ."""

NAMED = 5
"""Parameters or files that a problem names."""


def find_run(name: str) -> "StoredRun | None":
    """The MLflow run of that id or name, or None.

    Raises:
        UserError: several runs have the name, or MLflow cannot be read.
    """
    from apparel.tracking.reader import Reader

    return Reader().find(name)


def lock_of_run(run: str) -> tuple[Lock, str]:
    """The lock with the model of an MLflow run, and the last stage there that used the model.

    Raises:
        UserError: MLflow has no such run, it has no model, or no commit of this clone has that model.
    """
    from apparel.tracking.reader import Reader

    reader = Reader()
    stored = reader.find(run)
    if stored is None:
        server = server_address()
        raise UserError(f"MLflow at {server} has no run {run}; MLFLOW_TRACKING_URI names another server")
    md5 = _model_hash(reader, stored)
    lock = dvc_lock.find_output(md5)
    if lock is None:
        raise UserError(
            f"no commit and no experiment of this clone made the model of run {run} (hash {md5}); "
            "`git fetch` and `dvc exp pull` bring those of others"
        )
    model = paths.MODEL.as_posix()
    users = [name for name in lock.stages if lock.deps(name).get(model) == md5 and "@" not in name]  # exports
    return lock, (users or [lock.maker_of(md5) or ""])[-1]


def add_links(chain: Chain, lock: Lock, stages: list[str], tree: Path, run: str | None) -> None:
    """Adds the run, the commits, the parameters and the code of a chain, each checked.

    Args:
        chain: gets the links.
        lock: the dvc.lock of the result.
        stages: those that made the result.
        tree: a folder with the files of the lock's commit, or the workspace.
        run: MLflow's id of the run, if one was named.
    """
    with tempfile.TemporaryDirectory(prefix="apparel-trace-") as name:
        folder = Path(name)
        trees = [tree] if lock.revision else []  # the workspace is no record
        if "train" in stages:
            try:
                trees += _add_run(chain, lock, run, folder)
            except UserError as error:
                chain.links.append(Link("run", run or "", "", "", str(error)))
        if not trees and git.commit("HEAD"):
            git.export_commit("HEAD", folder / "head")
            trees = [folder / "head" / "tree"]
        where = f"commit {lock.revision[:7]}" if lock.revision else "the workspace, not committed yet"
        chain.links.append(Link("lock", "dvc.lock", where, "git" if lock.revision else "workspace"))
        chain.links.append(_parameters(lock, stages, trees if lock.revision else [*trees, Path()]))
        chain.links += [_code(lock, stage, trees) for stage in stages]


def _add_run(chain: Chain, lock: Lock, run_id: str | None, folder: Path) -> list[Path]:
    """Adds the run and its commits; returns folders with the files of those commits, which have the code."""
    from apparel.tracking.reader import Reader

    reader = Reader()
    md5 = lock.outs("train").get(paths.MODEL.as_posix(), "")
    run = reader.find(run_id) if run_id else _run_of_model(reader, md5)
    if run is None:
        raise UserError(
            f"MLflow at {server_address()} has no run that trained this model; "
            "MLFLOW_TRACKING_URI names another server, `apparel sync` sends runs that wait here, "
            "`mlflow runs restore` brings back a deleted one, and `dvc repro --force train` makes a new one"
        )
    hashes = {link.name: link.value for link in chain.links}
    differing = [*_differing_parameters(chain.parameters, run), *_differing_data(hashes, run)]
    problem = f"differs from dvc.lock in {some_of(differing, NAMED)}; {DIFFERING}" if differing else ""
    if run.status != "FINISHED":
        problem = problem or f"its status is {run.status}; `apparel sync` sends unsent lines, if there are any"
    chain.links.append(Link("run", run.id, f"{run.name}, {run.status.lower()}", "MLflow", problem))
    for prefix, target in (("version.", chain.packages), ("machine.", chain.machine)):
        target.update(
            {name.removeprefix(prefix): run.tags[name] for name in sorted(run.tags) if name.startswith(prefix)}
        )
    if not chain.packages or not chain.machine:
        chain.links.append(Link("packages", "", "", "", "MLflow's run has no versions or no machine"))
    return list(_commits(chain, reader, run, folder))


def _commits(chain: Chain, reader: "Reader", run: "StoredRun", folder: Path) -> Iterator[Path]:
    """Adds the commits that train and eval ran from; yields a folder with the files of each, its patch applied."""
    seen = set()
    for stage, prefix in (("train", "mlflow.source."), ("eval", "eval.")):
        revision = run.tags.get(f"{prefix}git.commit", "")
        if stage == "eval" and (not revision or revision in seen or chain.stage != "eval"):
            continue
        seen.add(revision)
        link = Link("commit", revision, f"{stage} ran from it", "git")
        if not re.fullmatch("[0-9a-f]{40}", revision) or not git.commit(revision):
            problem = ABSENT if revision else _unnamed(run.tags.get("git.gap"))
            chain.links.append(Link("commit", revision, link.value, "", problem))
            continue
        chain.links.append(link)
        patch = b""
        if stage == "train" and run.tags.get("git.dirty") in ("true", "unknown"):
            try:
                patch = reader.fetch(run.id, PATCH, _new_folder(folder / "patch")).read_bytes()
                git.export_commit(revision, folder / stage, patch)
                chain.links.append(Link(PATCH, f"{run.id}/{PATCH}", dvc_hash.bytes_md5(patch), "MLflow"))
            except UserError as error:
                chain.links.append(
                    Link(PATCH, f"{run.id}/{PATCH}", "", "", f"{error}; the uncommitted changes are lost")
                )
                continue
        else:
            git.export_commit(revision, folder / stage)
        yield folder / stage / "tree"


def _unnamed(gap: str | None) -> str:
    """The problem of a run that names no commit, for the reason that git gave when it ran."""
    why = f", since git did not tell it then: {gap}" if gap else ""
    return f"the run does not name its commit{why}; then `dvc repro --force train` makes a run that does"


def _code(lock: Lock, stage: str, trees: list[Path]) -> Link:
    """The code that a stage ran; a problem unless a commit, or one with its recorded patch, has all of it."""
    code = {path: md5 for path, md5 in lock.deps(stage).items() if is_code(path)}
    unknown = [
        path
        for path, md5 in code.items()
        if not any((tree / path).exists() and dvc_hash.path_hash(tree / path) == md5 for tree in trees)
    ]
    value = dvc_hash.folder_hash(code)
    if not unknown:
        return Link("code", f"of {stage}: {len(code)} files", value, "git", files=code)
    names = some_of(unknown, NAMED)
    problem = f"as it ran, {names} is in no commit or recorded patch of this clone; commit, then `dvc repro`"
    return Link("code", f"of {stage}: {len(code)} files", value, "", problem, code)


def _parameters(lock: Lock, stages: list[str], trees: list[Path]) -> Link:
    """The parameters that the stages read; a problem unless commits, or their recorded patches, have all of them."""
    read = {value for stage in stages for value in lock.read_values(stage)}
    files = {file for file, _, _ in read}
    committed = {(file, *value) for tree in trees for file in files for value in _values(tree / file)}
    unknown = sorted({name for _, name, _ in read - committed})
    digest = dvc_hash.bytes_md5(repr(sorted(read)).encode())
    if not unknown:
        return Link("parameters", f"{len(read)} values", digest, "git")
    problem = f"what dvc.lock has for {some_of(unknown, NAMED)} is in no commit or recorded patch of this clone"
    return Link("parameters", f"{len(read)} values", digest, "", f"{problem}; {dvc_lock.RESTORE}")


def _values(file: Path) -> list[tuple[str, str]]:
    """Dotted names and values, as text, of a params file; none if it is missing or damaged."""
    try:
        return [(name, repr(value)) for name, value in flatten(yaml.load(file), join_lists=True).items()]
    except (UserError, OSError, AttributeError):
        return []


def _run_of_model(reader: "Reader", md5: str) -> "StoredRun | None":
    """The latest run that trained this model; from this clone's record if no run in MLflow is tagged with its hash."""
    runs = reader.tagged(**{paths.MODEL.as_posix(): md5})
    if runs:
        return runs[0]
    run = local_runs.recorded_run(md5)
    return reader.find(run) if run else None


def _model_hash(reader: "Reader", run: "StoredRun") -> str:
    md5 = run.tags.get(paths.MODEL.as_posix())
    if md5:
        return md5
    with tempfile.TemporaryDirectory(prefix="apparel-trace-") as folder:
        return dvc_hash.path_hash(reader.fetch(run.id, MODEL_FOLDER, Path(folder)))


def _differing_parameters(parameters: dict[str, Any], run: "StoredRun") -> list[str]:
    """The parameters with another value in MLflow; those of eval may change without a new model."""
    stored = run.params | {
        name.removeprefix("changed."): value for name, value in run.tags.items() if name.startswith("changed.")
    }
    return [
        name
        for name, value in parameters.items()
        if name in stored and not name.startswith("eval.") and not _is_same(value, stored[name])
    ]


def _is_same(value: Any, stored: str) -> bool:
    try:
        return float(value) == float(stored)
    except (TypeError, ValueError):
        return str(value)[:LONGEST_VALUE] == stored


def _differing_data(hashes: dict[str, str], run: "StoredRun") -> list[str]:
    recorded = [*run.data.items(), *run.tags.items()]  # tags have the hashes of the inputs and of the model
    return list(dict.fromkeys(path for path, md5 in recorded if path in hashes and hashes[path] != md5))


def _new_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
