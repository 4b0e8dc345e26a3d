"""The chain behind a result, and its links: photos, parameters, code, commits, runs."""

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from apparel import paths


@dataclass(frozen=True)
class Link:
    """Something that a result was made from.

    Attributes:
        kind: its role, such as `photos` or `commit`.
        name: its path, commit or run id.
        value: its hash, or a description.
        where: where it was found: workspace, cache, git, MLflow; empty if it was not.
        problem: what is wrong with it, and the remedy; empty if nothing is.
        files: the hash of each file of a folder.
    """

    kind: str
    name: str
    value: str
    where: str = ""
    problem: str = ""
    files: dict[str, str] = field(default_factory=dict)


@dataclass
class Chain:
    """What a result was made from.

    Attributes:
        what: the name that was given.
        stage: the stage that made it.
        revision: the commit with its dvc.lock; None if that is not committed.
        experiment: the DVC experiment of that commit, if it is one.
        links: what it was made from, in the order in which that was made.
        parameters: values by dotted name.
        packages: versions by name, as MLflow's run has them.
        machine: description of the machine, as MLflow's run has it.
    """

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
        """The links with a problem."""
        return [link for link in self.links if link.problem]


def is_code(path: str) -> bool:
    """Whether a dependency is the project's code, as opposed to data and the detector's pipeline file."""
    pure = PurePosixPath(path)
    return pure.suffix == ".py" or (not pure.is_relative_to(paths.DATA) and not pure.is_relative_to(paths.CONFIGS))
