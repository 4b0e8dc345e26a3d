"""Rank, size and addresses of the machines of a job, from the variables that Vertex AI or a template sets.

    APPAREL_RANK       0 for the first machine, which is the chief
    APPAREL_MACHINES   how many there are
    APPAREL_ADDRESSES  of all of them, by rank, with spaces or commas between

Where they are missing: Vertex AI's CLUSTER_SPEC, then TensorFlow's TF_CONFIG; without any of them, one machine.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apparel import paths
from apparel.errors import UserError, plain

RANK, SIZE, ADDRESSES = "APPAREL_RANK", "APPAREL_MACHINES", "APPAREL_ADDRESSES"
"""Environment variables of templates for other machines than Vertex AI's."""

VARIABLES = (RANK, SIZE, ADDRESSES, "CLUSTER_SPEC", "TF_CONFIG")
"""All that `read` looks at."""

CHIEFS = ("chief", "master")
"""Names of the first machine in TF_CONFIG."""


@dataclass(frozen=True)
class Cluster:
    """This machine's rank, from 0, among `size` machines, and their addresses by rank, where they are known."""

    rank: int = 0
    size: int = 1
    addresses: tuple[str, ...] = ()

    @property
    def is_chief(self) -> bool:
        """Whether this is the first machine."""
        return self.rank == 0


def read(environment: Mapping[str, str] = os.environ) -> Cluster:
    """The cluster that the environment describes.

    Raises:
        UserError: a variable is damaged, or two of them contradict each other; names it.
    """
    if environment.get(RANK, "") != "" or environment.get(SIZE, "") != "":
        return _of_template(environment)
    for name, order in (("CLUSTER_SPEC", _pools), ("TF_CONFIG", _roles)):
        if environment.get(name):
            return _of_json(name, environment[name], order)
    return Cluster()


def of_training(environment: Mapping[str, str] = os.environ) -> Cluster:
    """The cluster that trains one model; a trial of a sweep is trained by one machine, however many there are.

    Raises:
        UserError: as `read`.
    """
    return Cluster() if environment.get(paths.TRIAL_FOLDER_VARIABLE) else read(environment)


def _of_template(environment: Mapping[str, str]) -> Cluster:
    rank, size = (environment.get(name, "") for name in (RANK, SIZE))
    if not rank.isdecimal() or not size.isdecimal() or int(rank) >= int(size):
        raise UserError(
            f"{RANK}={plain(rank)} and {SIZE}={plain(size)}: expected whole numbers, the rank below the size"
        )
    found = tuple(filter(None, re.split(r"[\s,]+", environment.get(ADDRESSES, ""))))
    if found and len(found) != int(size):
        raise UserError(f"{ADDRESSES} names {len(found)} machines, and {SIZE} is {size}")
    return Cluster(int(rank), int(size), found)


def _of_json(name: str, text: str, order: Any) -> Cluster:
    try:
        content = json.loads(text)
        groups, task = content["cluster"], content["task"]
        kind, index = str(task["type"]), int(task.get("index") or 0)
        kinds = order(groups)
        before = sum(len(groups[other]) for other in kinds[: kinds.index(kind)])
        if not 0 <= index < len(groups[kind]):
            raise IndexError(index)
        hosts = tuple(str(host) for other in kinds for host in groups[other])
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        raise UserError(f"{name} does not describe this machine: {plain(text)}") from None
    return Cluster(before + index, len(hosts), hosts)


def _pools(groups: dict[str, list[str]]) -> list[str]:
    """Vertex AI's pools in order: workerpool0 has the chief."""
    return sorted(groups, key=lambda name: int(name.removeprefix("workerpool")))


def _roles(groups: dict[str, list[str]]) -> list[str]:
    """Roles of TF_CONFIG in order: the chief, then the workers; others, such as an evaluator, do not train."""
    return [name for name in (*CHIEFS, "worker") if name in groups]
