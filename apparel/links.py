"""One link of the chain behind a result."""

from dataclasses import dataclass, field


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
