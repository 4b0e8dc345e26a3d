"""A result followed back to the photos, parameters, code and machine that made it, each link checked."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from apparel import paths
from apparel.analysis import trace_contents, trace_mlflow
from apparel.analysis.trace_contents import Contents
from apparel.analysis.trace_link import Link, is_code
from apparel.errors import UserError, nearest, plain
from apparel.versioning import dvc_lock, git
from apparel.versioning.dvc_lock import Lock

RUN_ID = re.compile("[0-9a-f]{32}")


@dataclass
class Chain:
    """What a result was made from. `links` are in the order in which things were made."""

    what: str
    stage: str
    revision: str | None
    experiment: str | None
    links: list[Link] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    machine: dict[str, str] = field(default_factory=dict)

    @property
    def broken(self) -> list[Link]:
        """The links that do not hold."""
        return [link for link in self.links if link.problem]


class Target(NamedTuple):
    """What is traced: the lock that has it, the stage that made it; its hash and the run where it was asked for so."""

    lock: Lock
    stage: str
    md5: str | None = None
    run: str | None = None


def trace(what: str) -> Chain:
    """The chain behind a file, a model's folder, an MLflow run, an experiment or a commit.

    Raises:
        UserError: nothing is known of it; says where else to look.
    """
    target = _found(what)
    lock, stages = target.lock, target.lock.ancestry(target.stage)
    chain = Chain(what, target.stage, lock.revision, git.experiment_of(lock.revision))
    chain.parameters = lock.parameters(stages)
    chain.links += _named_otherwise(what, target.md5)
    with _tree(lock) as tree:
        reached = Contents(lock, tree)
        for name in stages:
            had = {(link.name, link.value, link.problem) for link in chain.links}
            links = [*_read(lock, name, reached, tree), *_made(lock, name, stages, target.md5, reached)]
            chain.links += [link for link in links if (link.name, link.value, link.problem) not in had]
        chain.links += _origins(chain.links, tree)
        trace_mlflow.add(chain, lock, stages, tree, target.run)
    return chain


def _found(what: str) -> Target:
    path = Path(what)
    if what and os.path.lexists(path):
        return _maker(path)
    if RUN_ID.fullmatch(what):
        return Target(*trace_mlflow.lock_of(what), run=what)
    here = dvc_lock.workspace()
    maker = here.maker(_own_name(path))
    if maker and maker[1] == _own_name(path):  # gone from the workspace, or not fetched yet
        return Target(here, maker[0], maker[2])
    try:
        lock = dvc_lock.at(git.resolve(what))
    except LookupError:
        return _named_run(what)
    if not lock.stages:
        raise UserError(f"{plain(what)} has no dvc.lock: `dvc repro` makes it, `git add dvc.lock` and a commit keep it")
    return Target(lock, lock.last())


def _named_run(what: str) -> Target:
    """A run that MLflow shows under this name; nothing else has it."""
    unknown = (
        f"'{plain(what)}' is no file, experiment or commit that is known here"
        f"{nearest(what, [*git.experiments(), 'HEAD'])}; `git fetch` and `dvc exp pull` bring those of others"
    )
    try:
        run = trace_mlflow.find(what)
    except UserError as error:
        raise UserError(f"{unknown}. {error}") from None
    if run is None:
        raise UserError(f"{unknown}. Nor has MLflow a run of that name")
    return Target(*trace_mlflow.lock_of(run.id), run=run.id)


def _maker(path: Path) -> Target:
    """The lock and the stage that made this file or folder, wherever a copy of it lies."""
    md5 = trace_contents.hash_of(path)
    lock = dvc_lock.holding(md5)
    if lock:
        return Target(lock, lock.maker_of(md5) or "", md5)
    raise UserError(f"{plain(str(path))} {_why_unknown(_own_name(path), md5)}")


def _why_unknown(name: str, md5: str) -> str:
    """Why no stage made a file with this content, which lies here under this name; with the remedy."""
    here = dvc_lock.workspace()
    maker = here.maker(name)
    if maker and maker[1] == name:
        restore = Contents(here, Path()).restore(name, maker[2])
        return f"was changed after it was made: its hash is {md5}, and dvc.lock has {maker[2]}; {restore}"
    if maker:
        return f"is part of {maker[1]}, which {maker[0]} made: trace that"
    inside = [path for path in here.hashes() if here.maker(path) and PurePosixPath(path).is_relative_to(name)]
    if inside:
        return f"is no single output: trace one that lies in it, such as {inside[-1]}"
    if any(PurePosixPath(name).is_relative_to(read) for read in here.hashes()):
        return f"was read by stages, made by none: trace what came of it, such as {paths.METRICS.as_posix()}"
    return (
        f"(hash {md5}) was made by no commit and no experiment known here: it was changed, or made elsewhere; "
        "`git fetch` and `dvc exp pull` bring the commits and experiments of others"
    )


def _own_name(path: Path) -> str:
    """The path as dvc.lock has it, if it lies in the project. Links, which DVC may keep files by, are not followed."""
    here = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() follows links
    return (here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here).as_posix()


def _named_otherwise(what: str, md5: str | None) -> Iterator[Link]:
    """A link for a file of the workspace where dvc.lock has another content than the one that was traced."""
    maker = dvc_lock.workspace().maker(_own_name(Path(what))) if md5 else None
    if maker and maker[1] == _own_name(Path(what)) and maker[2] != md5:
        problem = f"names another content of {maker[1]}: an edited lock, or an older file; {dvc_lock.RESTORE}"
        yield Link("lock", "dvc.lock", maker[2], "", problem)


@contextmanager
def _tree(lock: Lock) -> Iterator[Path]:
    """The files that git holds of a lock's commit; the workspace for a lock that is not committed."""
    if lock.revision is None:
        yield Path()
        return
    folder = Path(tempfile.mkdtemp(prefix="apparel-trace-"))
    try:
        git.lay_out(lock.revision, folder)
        yield folder / "tree"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _read(lock: Lock, stage: str, reached: Contents, tree: Path) -> Iterator[Link]:
    """What a stage read, its code aside, and what earlier stages made aside, where it is what they made."""
    for path, md5 in lock.deps(stage).items():
        maker = lock.maker(path)
        if maker:
            yield from _inner(stage, path, md5, maker, reached)
        elif not is_code(path):
            where, problem = reached.check(path, md5)
            problem = problem or trace_contents.check_tracked(path, md5, tree)
            yield Link(kind(path), path, md5, where, problem, reached.files(path, md5))


def _made(lock: Lock, stage: str, stages: list[str], asked: str | None, reached: Contents) -> Iterator[Link]:
    """What a stage made for those after it; of the last one what was asked for, or all."""
    for path, md5 in lock.outs(stage).items():
        used = any(lock.maker(dep) == (stage, path, md5) for later in stages for dep in lock.deps(later))
        if used or md5 == asked or (asked is None and stage == stages[-1]):
            where, problem = reached.check(path, md5)
            yield Link(kind(path), path, md5, where, problem, reached.files(path, md5))


def _inner(stage: str, path: str, md5: str, maker: tuple[str, str, str], reached: Contents) -> Iterator[Link]:
    """A link for what another stage should have made with this content, and did not."""
    name, out, made = maker
    within = reached.files(out, made) if path != out else {}
    found = made if path == out else within.get(PurePosixPath(path).relative_to(out).as_posix(), md5)
    if found != md5:
        problem = f"{stage} read this content, but {name} has made another since; `dvc repro` brings them together"
        yield Link(kind(path), path, md5, "", problem)


def _origins(links: list[Link], tree: Path) -> Iterator[Link]:
    """Where the photos and the starting weights came from."""
    for link in links:
        path = PurePosixPath(link.name)
        if link.kind == "photos":
            drawn = Link("source", path.parent.as_posix(), "drawn by the stage draw", "lock")
            yield drawn if path.parent.name == "demo" else _origin(path.parent / "source.json", tree)
        if link.kind == "start checkpoint" and path.name != "none":
            yield _origin(path.with_name(f"{path.name}.source.json"), tree)


def _origin(record: PurePosixPath, tree: Path) -> Link:
    try:
        origin = json.loads((tree / record).read_text(encoding="utf-8"))
        value = " ".join(str(origin[key]) for key in ("source", "revision") if key in origin)
        return Link("source", record.as_posix(), value, "git")
    except (OSError, ValueError, KeyError, TypeError):
        problem = f"where it came from is not recorded: `git add {record}` if it is there, else import it anew"
        return Link("source", record.as_posix(), "", "", problem)


def kind(path: str) -> str:
    """What a path of the pipeline is to a result, such as `photos`, `labels`, `split` or `model`."""
    pure = PurePosixPath(path)
    if pure.is_relative_to(paths.MODEL):
        return "model"
    if pure.is_relative_to(paths.RESULTS):
        stage = pure.parts[len(paths.RESULTS.parts)]
        return {"convert": "labels", "tfrecord": "TFRecords", "train": "training", "eval": "results"}.get(stage, stage)
    if pure.is_relative_to(paths.PRETRAINED):
        return "start checkpoint"
    return "pipeline file" if pure.is_relative_to(paths.CONFIGS) else pure.name
