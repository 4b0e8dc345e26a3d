"""The end of a chain that lies in MLflow and git: the run that trained, its parameters, commit, packages, machine."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apparel import paths
from apparel.analysis.trace_link import Link, is_code
from apparel.errors import UserError, some_of
from apparel.params import flatten
from apparel.tracking import local_runs, runs
from apparel.tracking.server import tracking_uri, without_password
from apparel.utils import yaml
from apparel.versioning import dvc_hash, dvc_lock, git
from apparel.versioning.dvc_lock import Lock

if TYPE_CHECKING:
    from apparel.analysis.trace import Chain
    from apparel.tracking.reader import Reader, StoredRun

PATCH = "changes.patch"
MODEL_FOLDER = "model"
"""What a run keeps its model under."""

ABSENT = (
    "not in this repository; `git fetch`, or `git fetch --unshallow` in a shallow clone, brings it from where it is; "
    "if history was rewritten, `dvc repro --force` runs all anew"
)

DIFFERING = (
    "one of the two was edited, or the run is of another training: `git restore dvc.lock` brings back the committed "
    "one, `dvc repro --force train` makes a run that fits"
)

NAMED = 5
"""How many parameters or files a problem names."""


def find(what: str) -> "StoredRun | None":
    """The MLflow run of that id or name.

    Raises:
        UserError: several runs have the name, or MLflow cannot be read.
    """
    from apparel.tracking.reader import Reader

    return Reader().find(what)


def lock_of(run: str) -> tuple[Lock, str]:
    """The lock that holds the model of an MLflow run, and the last stage there that used it.

    Raises:
        UserError: MLflow has no such run, it made no model, or no commit known here has that.
    """
    from apparel.tracking.reader import Reader

    reader = Reader()
    stored = reader.find(run)
    if stored is None:
        server = without_password(tracking_uri())
        raise UserError(f"MLflow at {server} has no run {run}; MLFLOW_TRACKING_URI names another server")
    md5 = _model_of(reader, stored)
    lock = dvc_lock.holding(md5)
    if lock is None:
        raise UserError(
            f"no commit and no experiment known here made the model of run {run} (hash {md5}); "
            "`git fetch` and `dvc exp pull` bring those of others"
        )
    model = paths.MODEL.as_posix()
    users = [name for name in lock.stages if lock.deps(name).get(model) == md5]
    return lock, (users or [lock.maker_of(md5) or ""])[-1]


def add(chain: "Chain", lock: Lock, stages: list[str], tree: Path, asked: str | None) -> None:
    """Adds the run, the commit and the code to a chain, each checked as far as it can be reached."""
    with tempfile.TemporaryDirectory(prefix="apparel-trace-") as name:
        folder = Path(name)
        trees = [tree] if lock.revision else []  # what lies in the workspace is no record
        if "train" in stages:
            try:
                trees += _add_run(chain, lock, asked, folder)
            except UserError as error:
                chain.links.append(Link("run", asked or "", "", "", str(error)))
        if not trees and git.commit("HEAD"):
            git.lay_out("HEAD", folder / "head")
            trees = [folder / "head" / "tree"]
        where = f"commit {lock.revision[:7]}" if lock.revision else "the workspace, not committed yet"
        chain.links.append(Link("lock", "dvc.lock", where, "git" if lock.revision else "workspace"))
        chain.links.append(_parameters(lock, stages, trees if lock.revision else [*trees, Path()]))
        chain.links += [_code(lock, stage, trees) for stage in stages]


def _add_run(chain: "Chain", lock: Lock, asked: str | None, folder: Path) -> list[Path]:
    """Adds the run and its commit; returns the trees of files that its code can be in."""
    from apparel.tracking.reader import Reader

    reader = Reader()
    md5 = lock.outs("train").get(paths.MODEL.as_posix(), "")
    run = reader.find(asked) if asked else _run_of(reader, md5)
    if run is None:
        raise UserError(
            f"MLflow at {without_password(tracking_uri())} has no run that trained this model; "
            "MLFLOW_TRACKING_URI names another server, `python -m apparel sync` sends what waits here, "
            "`mlflow runs restore` brings back a deleted one, and `dvc repro --force train` makes one anew"
        )
    known = {link.name: link.value for link in chain.links}
    wrong = [*_differing(chain.parameters, run), *_other_data(known, run)]
    problem = f"differs from dvc.lock in {some_of(wrong, NAMED)}; {DIFFERING}" if wrong else ""
    if run.status != "FINISHED":
        problem = problem or f"its status is {run.status}; `python -m apparel sync` sends what waits, if anything does"
    chain.links.append(Link("run", run.id, f"{run.name}, {run.status.lower()}", "MLflow", problem))
    for prefix, target in (("version.", chain.packages), ("machine.", chain.machine)):
        target.update(
            {name.removeprefix(prefix): run.tags[name] for name in sorted(run.tags) if name.startswith(prefix)}
        )
    if not chain.packages or not chain.machine:
        chain.links.append(Link("packages", "", "", "", "MLflow's run does not say what it ran with"))
    return list(_commits(chain, reader, run, folder))


def _commits(chain: "Chain", reader: "Reader", run: "StoredRun", folder: Path) -> Iterator[Path]:
    """Adds the commits that train and eval ran from; yields the files of each, changes included."""
    seen = set()
    for stage, prefix in (("train", "mlflow.source."), ("eval", "eval.")):
        revision = run.tags.get(f"{prefix}git.commit", "")
        if stage == "eval" and (not revision or revision in seen or chain.stage != "eval"):
            continue
        seen.add(revision)
        link = Link("commit", revision, f"{stage} ran from it", "git")
        if not re.fullmatch("[0-9a-f]{40}", revision) or not git.commit(revision):
            problem = ABSENT if revision else "the run does not say from which it ran"
            chain.links.append(Link("commit", revision, link.value, "", problem))
            continue
        chain.links.append(link)
        patch = b""
        if stage == "train" and run.tags.get("git.dirty") in ("true", "unknown"):
            try:
                patch = reader.fetch(run.id, PATCH, _new(folder / "patch")).read_bytes()
                git.lay_out(revision, folder / stage, patch)
                chain.links.append(Link(PATCH, f"{run.id}/{PATCH}", dvc_hash.data(patch), "MLflow"))
            except UserError as error:
                chain.links.append(Link(PATCH, f"{run.id}/{PATCH}", "", "", f"{error}; what was changed is lost"))
                continue
        else:
            git.lay_out(revision, folder / stage)
        yield folder / stage / "tree"


def _code(lock: Lock, stage: str, trees: list[Path]) -> Link:
    """Whether the modules that a stage ran are those of a commit, or of one with its recorded changes."""
    code = {path: md5 for path, md5 in lock.deps(stage).items() if is_code(path)}
    unknown = [
        path
        for path, md5 in code.items()
        if not any((tree / path).exists() and dvc_hash.content(tree / path) == md5 for tree in trees)
    ]
    value = dvc_hash.folder(code)
    if not unknown:
        return Link("code", f"of {stage}: {len(code)} files", value, "git", files=code)
    problem = (
        f"as it ran, {some_of(unknown, NAMED)} is in no commit or recorded change known here; commit, then `dvc repro`"
    )
    return Link("code", f"of {stage}: {len(code)} files", value, "", problem, code)


def _parameters(lock: Lock, stages: list[str], trees: list[Path]) -> Link:
    """Whether each parameter, as each stage read it, is that of a commit, or of one with its recorded changes."""
    read = {each for stage in stages for each in lock.read_values(stage)}
    known = {(file, *item) for tree in trees for file in {each[0] for each in read} for item in _values(tree / file)}
    unknown = sorted({name for _, name, _ in read - known})
    digest = dvc_hash.data(repr(sorted(read)).encode())
    if not unknown:
        return Link("parameters", f"{len(read)} values", digest, "git")
    problem = f"what dvc.lock has for {some_of(unknown, NAMED)} is in no commit or recorded change known here"
    return Link("parameters", f"{len(read)} values", digest, "", f"{problem}; {dvc_lock.RESTORE}")


def _values(file: Path) -> list[tuple[str, str]]:
    """The values of a params file by dotted name, as text; none when it is missing or damaged."""
    try:
        return [(name, repr(value)) for name, value in flatten(yaml.load(file), join_lists=True).items()]
    except (UserError, OSError, AttributeError):
        return []


def _run_of(reader: "Reader", md5: str) -> "StoredRun | None":
    """The latest run that made this model; as this clone recorded it where MLflow does not know the hash."""
    found = reader.tagged(**{paths.MODEL.as_posix(): md5})
    if found:
        return found[0]
    run = local_runs.recorded_run(md5)
    return reader.find(run) if run else None


def _model_of(reader: "Reader", run: "StoredRun") -> str:
    md5 = run.tags.get(paths.MODEL.as_posix())
    if md5:
        return md5
    with tempfile.TemporaryDirectory(prefix="apparel-trace-") as folder:
        return dvc_hash.content(reader.fetch(run.id, MODEL_FOLDER, Path(folder)))


def _differing(parameters: dict[str, Any], run: "StoredRun") -> list[str]:
    """The parameters that MLflow has with other values; eval's may change while the model stays."""
    stored = run.params | {
        name.removeprefix("changed."): value for name, value in run.tags.items() if name.startswith("changed.")
    }
    return [
        name
        for name, value in parameters.items()
        if name in stored and not name.startswith("eval.") and not _same(value, stored[name])
    ]


def _same(value: Any, stored: str) -> bool:
    try:
        return float(value) == float(stored)
    except (TypeError, ValueError):
        return str(value)[: runs.LONGEST_VALUE] == stored


def _other_data(known: dict[str, str], run: "StoredRun") -> list[str]:
    said = [*run.data.items(), *run.tags.items()]  # a tag, too, holds the hash of each, that of the model included
    return list(dict.fromkeys(path for path, md5 in said if path in known and known[path] != md5))


def _new(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
