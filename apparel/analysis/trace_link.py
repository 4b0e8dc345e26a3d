"""One link of the chain behind a result, and which links are code."""

from dataclasses import dataclass, field
from pathlib import PurePosixPath

from apparel import paths


@dataclass(frozen=True)
class Link:
    """Something that a result was made from.

    Args:
        kind: what it is to the result, such as `photos` or `commit`.
        name: its path, or what it is known by.
        value: its hash, or what is known of it.
        where: where it was found: workspace, cache, git, MLflow; empty when it was not.
        problem: what is wrong with it, and the remedy; empty when it holds.
        files: the hash of each file of a folder.
    """

    kind: str
    name: str
    value: str
    where: str = ""
    problem: str = ""
    files: dict[str, str] = field(default_factory=dict)


def is_code(path: str) -> bool:
    """Whether a dependency is the project's code, as opposed to data and the detector's pipeline file."""
    pure = PurePosixPath(path)
    return pure.suffix == ".py" or (not pure.is_relative_to(paths.DATA) and not pure.is_relative_to(paths.CONFIGS))
