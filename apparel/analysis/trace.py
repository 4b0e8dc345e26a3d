"""Provenance of a result: photos, parameters, code and machine that made it, with every link checked."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from apparel import paths
from apparel.analysis import trace_contents, trace_mlflow
from apparel.analysis.trace_contents import ContentFinder
from apparel.analysis.trace_link import Chain, Link, is_code
from apparel.errors import UserError, nearest, plain
from apparel.versioning import dvc_lock, git
from apparel.versioning.dvc_lock import Lock

RUN_ID = re.compile("[0-9a-f]{32}")
"""MLflow's id of a run, a hash without dashes."""

UNLABELLED = "unlabelled"
"""Kind of the link to photos that nobody labelled, with what a teacher wrote beside them."""


class Target(NamedTuple):
    """What is traced."""

    lock: Lock  # the dvc.lock that has it
    stage: str  # the stage that made it
    md5: str | None = None  # its DVC hash, if a file or folder was named
    run: str | None = None  # MLflow's id of the run, if a run was named


def trace(what: str) -> Chain:
    """The chain behind a file, a folder, an MLflow run, an experiment or a commit.

    Raises:
        UserError: nothing of that name is found, says where else to look; or git reads nothing of this clone.
    """
    if why := git.refusal():
        raise UserError(why)
    target = _find_target(what)
    lock, stages = target.lock, target.lock.ancestry(target.stage)
    chain = Chain(what, target.stage, lock.revision, git.experiment_of(lock.revision))
    chain.parameters = lock.parameters(stages)
    chain.links += _lock_mismatch(what, target.md5)
    with _commit_files(lock) as tree:
        finder = ContentFinder(lock, tree)
        for stage in stages:
            listed = {(link.name, link.value, link.problem) for link in chain.links}
            links = [*_input_links(lock, stage, finder, tree), *_output_links(lock, stage, stages, target.md5, finder)]
            chain.links += [link for link in links if (link.name, link.value, link.problem) not in listed]
        chain.links += _source_links(chain.links, tree)
        trace_mlflow.add_links(chain, lock, stages, tree, target.run)
    return chain


def _find_target(what: str) -> Target:
    path = Path(what)
    if what and os.path.lexists(path):
        return _target_of_path(path)
    if RUN_ID.fullmatch(what):
        return Target(*trace_mlflow.lock_of_run(what), run=what)
    lock = dvc_lock.read_workspace()
    maker = lock.maker(_project_path(path))
    if maker and maker[1] == _project_path(path):  # deleted from the workspace, or not fetched yet
        return Target(lock, maker[0], maker[2])
    try:
        lock = dvc_lock.read_commit(git.resolve(what))
    except LookupError:
        return _target_of_run(what)
    if not lock.stages:
        raise UserError(
            f"{plain(what)} has no dvc.lock: `dvc repro` writes it, `git add dvc.lock` and a commit keep it"
        )
    return Target(lock, lock.last())


def _target_of_run(what: str) -> Target:
    """The MLflow run of this name, which is no file, experiment or commit."""
    unknown = (
        f"'{plain(what)}' is no file, experiment or commit of this clone"
        f"{nearest(what, [*git.experiments(), 'HEAD'])}; `git fetch` and `dvc exp pull` bring those of others"
    )
    try:
        run = trace_mlflow.find_run(what)
    except UserError as error:
        raise UserError(f"{unknown}. {error}") from None
    if run is None:
        raise UserError(f"{unknown}. Nor has MLflow a run of that name")
    return Target(*trace_mlflow.lock_of_run(run.id), run=run.id)


def _target_of_path(path: Path) -> Target:
    """The stage that made this file or folder, or the original of which it is a copy."""
    md5 = trace_contents.hash_of_path(path)
    lock = dvc_lock.find_output(md5)
    if lock:
        return Target(lock, lock.maker_of(md5) or "", md5)
    raise UserError(f"{plain(str(path))} {_why_unknown(_project_path(path), md5)}")


def _why_unknown(name: str, md5: str) -> str:
    """Why no stage made the file of this name with this content, and the remedy."""
    lock = dvc_lock.read_workspace()
    maker = lock.maker(name)
    if maker and maker[1] == name:
        restore = ContentFinder(lock, Path()).restore_hint(name, maker[2])
        return f"was changed after it was made: its hash is {md5}, and dvc.lock has {maker[2]}; {restore}"
    if maker:
        return f"is part of {maker[1]}, which {maker[0]} made: trace that"
    inside = [path for path in lock.hashes() if lock.maker(path) and PurePosixPath(path).is_relative_to(name)]
    if inside:
        return f"is not an output itself: trace one that lies in it, such as {inside[-1]}"
    if any(PurePosixPath(name).is_relative_to(read) for read in lock.hashes()):
        return f"was read by stages, made by none: trace what was made from it, such as {paths.METRICS.as_posix()}"
    return (
        f"(hash {md5}) was made by no commit and no experiment of this clone: it was changed, or made elsewhere; "
        "`git fetch` and `dvc exp pull` bring the commits and experiments of others"
    )


def _project_path(path: Path) -> str:
    """The path relative to the project, as in dvc.lock. Links are not followed: DVC may store files as links."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() follows links
    return (absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute).as_posix()


def _lock_mismatch(what: str, md5: str | None) -> Iterator[Link]:
    """A link with a problem if dvc.lock has another hash for this file of the workspace."""
    maker = dvc_lock.read_workspace().maker(_project_path(Path(what))) if md5 else None
    if maker and maker[1] == _project_path(Path(what)) and maker[2] != md5:
        problem = f"names another content of {maker[1]}: an edited lock, or an older file; {dvc_lock.RESTORE}"
        yield Link("lock", "dvc.lock", maker[2], "", problem)


@contextmanager
def _commit_files(lock: Lock) -> Iterator[Path]:
    """A folder with the files of the lock's commit; the workspace for a lock that is not committed."""
    if lock.revision is None:
        yield Path()
        return
    folder = Path(tempfile.mkdtemp(prefix="apparel-trace-"))
    try:
        git.export_commit(lock.revision, folder)
        yield folder / "tree"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _input_links(lock: Lock, stage: str, finder: ContentFinder, tree: Path) -> Iterator[Link]:
    """The data that a stage read. Outputs of earlier stages are left out, unless their content has changed since."""
    for path, md5 in lock.deps(stage).items():
        maker = lock.maker(path)
        if maker:
            yield from _stale_input(stage, path, md5, maker, finder)
        elif not is_code(path):
            where, problem = finder.locate(path, md5)
            problem = problem or trace_contents.tracked_problem(path, md5, tree)
            yield Link(link_kind(path), path, md5, where, problem, finder.files(path, md5))


def _output_links(
    lock: Lock, stage: str, stages: list[str], traced: str | None, finder: ContentFinder
) -> Iterator[Link]:
    """The outputs of a stage that later stages read, or that are traced; all those of the last stage by default."""
    for path, md5 in lock.outs(stage).items():
        used = any(lock.maker(dep) == (stage, path, md5) for later in stages for dep in lock.deps(later))
        if used or md5 == traced or (traced is None and stage == stages[-1]):
            where, problem = finder.locate(path, md5)
            yield Link(link_kind(path), path, md5, where, problem, finder.files(path, md5))


def _stale_input(stage: str, path: str, md5: str, maker: tuple[str, str, str], finder: ContentFinder) -> Iterator[Link]:
    """A link with a problem if `stage` read another content than the output of `maker` in the lock."""
    made_by, output, output_md5 = maker
    files = finder.files(output, output_md5) if path != output else {}
    made = output_md5 if path == output else files.get(PurePosixPath(path).relative_to(output).as_posix(), md5)
    if made != md5:
        problem = f"{stage} read this content, but {made_by} has made another since; `dvc repro` runs {stage} again"
        yield Link(link_kind(path), path, md5, "", problem)


def _source_links(links: list[Link], tree: Path) -> Iterator[Link]:
    """Where the photos and the starting weights were imported from."""
    for link in links:
        path = PurePosixPath(link.name)
        if link.kind == "photos":
            drawn = Link("source", path.parent.as_posix(), "drawn by the stage draw", "lock")
            yield drawn if path.parent.name == "demo" else _source_link(path.parent / "source.json", tree)
        if link.kind in ("start checkpoint", UNLABELLED) and path.name != "none":
            yield _source_link(path.with_name(f"{path.name}.source.json"), tree)


def _source_link(record: PurePosixPath, tree: Path) -> Link:
    try:
        source = json.loads((tree / record).read_text(encoding="utf-8"))
        value = " ".join(str(source[key]) for key in ("source", "revision", "sha256") if key in source)
        return Link("source", record.as_posix(), value, "git")
    except (OSError, ValueError, KeyError, TypeError):
        problem = f"where it came from is not recorded: `git add {record}` if it exists, else import the data again"
        return Link("source", record.as_posix(), "", "", problem)


def link_kind(path: str) -> str:
    """The role of a path in the pipeline, such as `photos`, `labels`, `split` or `model`."""
    pure = PurePosixPath(path)
    if pure.is_relative_to(paths.MODEL):
        return "model"
    if pure.is_relative_to(paths.RESULTS):
        stage = pure.parts[len(paths.RESULTS.parts)]
        return {"convert": "labels", "tfrecord": "TFRecords", "train": "training", "eval": "results"}.get(stage, stage)
    if pure.is_relative_to(paths.PRETRAINED):
        return "start checkpoint"
    if pure.is_relative_to(paths.UNLABELLED):
        return UNLABELLED
    return "pipeline file" if pure.is_relative_to(paths.CONFIGS) else pure.name
