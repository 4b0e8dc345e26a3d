"""The content of `dvc.lock`, what DVC recorded of each stage, in the workspace, a commit or an experiment."""

import re
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path, PurePosixPath
from typing import Any

from apparel.errors import UserError
from apparel.utils import yaml
from apparel.utils.nested import flatten
from apparel.versioning import git

FILES = ("data/demo/dvc.lock", "dvc.lock")
"""The lock of the drawn data set, then the pipeline's; the paths in both start at the project's root."""

RESTORE = "`git restore dvc.lock` brings back the committed one, `dvc repro` makes one that fits"

HASH = re.compile(r"[0-9a-f]{32}(\.dir)?")

UNREADABLE = (UserError, ValueError, LookupError, AttributeError, TypeError)
"""Exceptions raised by a file that is not a valid dvc.lock."""


@dataclass(frozen=True)
class Lock:
    """The stages by name, as DVC writes them: `deps` and `outs` with `path` and `md5`, and `params`.

    `revision` is the commit that has this lock, None if it is not committed.
    """

    revision: str | None
    stages: dict[str, dict[str, Any]]

    def maker_of(self, md5: str) -> str | None:
        """The stage that has an output of this hash."""
        return next((name for name, stage in self.stages.items() if md5 in _hashes(stage["outs"]).values()), None)

    def maker(self, path: str) -> tuple[str, str, str] | None:
        """The stage that writes this path or a folder around it, with the path and the hash of that output."""
        for name, stage in self.stages.items():
            for out, md5 in _hashes(stage["outs"]).items():
                if PurePosixPath(path).is_relative_to(out):
                    return name, out, md5
        return None

    def deps(self, stage: str) -> dict[str, str]:
        """The hash of each file or folder that a stage read."""
        return _hashes(self.stages[stage]["deps"])

    def outs(self, stage: str) -> dict[str, str]:
        """The hash of each file or folder that a stage wrote."""
        return _hashes(self.stages[stage]["outs"])

    def hashes(self) -> dict[str, str]:
        """The hash of every path that a stage read or wrote."""
        return {path: md5 for stage in self.stages for path, md5 in (self.deps(stage) | self.outs(stage)).items()}

    def ancestry(self, stage: str) -> list[str]:
        """The stages that a stage builds on, and itself last, in the order in which they run."""
        ancestors: list[str] = []
        for path in self.deps(stage):
            if made := self.maker(path):
                ancestors += [name for name in self.ancestry(made[0]) if name not in ancestors]
        return [*ancestors, stage]

    def last(self) -> str:
        """The last stage of the pipeline: no other reads its outputs. Exports, as `export@tflite`, do not count."""
        read = [self.maker(path) for stage in self.stages for path in self.deps(stage)]
        used = {made[0] for made in read if made}
        return [stage for stage in self.stages if stage not in used and "@" not in stage][-1]

    def parameters(self, stages: list[str]) -> dict[str, Any]:
        """Every parameter that these stages read, by dotted name, as `Params.flat` has them."""
        values: dict[str, Any] = {}
        for stage in stages:
            for section in self.stages[stage].get("params", {}).values():
                values |= flatten(section, join_lists=True)
        return dict(sorted(values.items()))

    def read_values(self, stage: str) -> list[tuple[str, str, str]]:
        """The parameters that a stage read: the params file, the dotted name, and the value as text."""
        sections = self.stages[stage].get("params", {}).items()
        return [
            (file, name, repr(value))
            for file, section in sections
            for name, value in flatten(section, join_lists=True).items()
        ]


def read_commit(revision: str) -> Lock:
    """The lock in a commit; without stages if the commit has none.

    Raises:
        UserError: it is not a valid dvc.lock; names the commit.
    """
    return Lock(revision, _merged({file: git.read_file(revision, file) for file in FILES}, revision[:7]))


def read_workspace() -> Lock:
    """The lock in the workspace, with the revision of HEAD if it is the same there; without one if git refuses."""
    here = read_files(Path())
    head = None if git.refusal() else git.commit("HEAD")
    committed = head is not None and here == {file: git.read_file(head, file) for file in FILES}
    return Lock(head if committed else None, _merged(here, "the workspace"))


def read_folder(folder: Path) -> Lock:
    """The lock in another copy of the project; raises as `read_commit`."""
    return Lock(None, _merged(read_files(folder), str(folder)))


def read_files(folder: Path) -> dict[str, bytes | None]:
    """The contents of `FILES` in a copy of the project, None for one that does not exist."""
    return {file: (folder / file).read_bytes() if (folder / file).is_file() else None for file in FILES}


def find_output(md5: str) -> Lock | None:
    """The lock that has an output of this hash: the workspace's, or that of the newest commit or experiment."""
    here = read_workspace()
    if here.maker_of(md5):
        return here
    locks = (read_commit(revision) for revision in git.commits_changing(md5, list(FILES)))
    return next((lock for lock in locks if lock.maker_of(md5)), None)


def is_whole(content: bytes | None) -> bool:
    """Whether DVC accepts a lock of this content; None stands for a file that does not exist."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from voluptuous import Invalid

    try:
        return content is None or bool(COMPILED_LOCKFILE_SCHEMA(_loaded(content)))
    except (UserError, Invalid):
        return False


def _loaded(content: bytes) -> dict[str, Any]:
    return yaml.parse(content, "dvc.lock") or {}


def _merged(contents: dict[str, bytes | None], where: str) -> dict[str, Any]:
    stages: dict[str, Any] = {}
    for file, content in contents.items():
        try:
            written = _loaded(content).get("stages") if content else None
            validated = {name: _validated(stage) for name, stage in (written or {}).items()}
            # A stage that read nothing did not run: a sweep leaves eval so.
            stages |= {name: stage for name, stage in validated.items() if stage["deps"]}
            _check_acyclic(Lock(None, stages))
        except UNREADABLE:
            raise UserError(f"{file} of {where} is not a valid lock of DVC; restore it: git restore {file}") from None
    return stages


def _validated(stage: dict[str, Any]) -> dict[str, Any]:
    """A stage of a lock with all its keys; raises one of `UNREADABLE` when it is none, since a lock may come from
    anywhere."""
    stage = {"deps": [], "outs": [], "params": {}} | stage
    for entry in [*stage["deps"], *stage["outs"]]:
        if not isinstance(entry["path"], str) or not HASH.fullmatch(entry.get("md5", "0" * 32)):
            raise TypeError(entry)
    for section in stage["params"].values():
        flatten(section)
    return stage


def _check_acyclic(lock: Lock) -> None:
    """Raises `CycleError` when a stage reads what is made of its own outputs."""
    makers = {name: [made[0] for path in lock.deps(name) if (made := lock.maker(path))] for name in lock.stages}
    TopologicalSorter(makers).prepare()


def _hashes(entries: list[dict[str, Any]]) -> dict[str, str]:
    return {entry["path"]: entry["md5"] for entry in entries if "md5" in entry}
