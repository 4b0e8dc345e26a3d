"""Rank, size and addresses of the machines of a job, from the variables that Vertex AI or a template sets.

    APPAREL_RANK       0 for the first machine, which is the chief
    APPAREL_MACHINES   how many there are
    APPAREL_ADDRESSES  of all of them, by rank, with spaces or commas between

Where they are missing: Vertex AI's CLUSTER_SPEC, then TensorFlow's TF_CONFIG; without any of them, one machine.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
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

ADDRESS = re.compile(r"(?:\[[\w:.%]+\]|[^\s:/@\[\]]+)(?::(\d{1,5}))?|[\w.%]*:[\w.%]*:[\w:.%]*")
"""HOST, HOST:PORT, [IPV6]:PORT or IPV6."""


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
    if any(environment.get(name, "").strip() for name in (RANK, SIZE, ADDRESSES)):
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
    _check_addresses(ADDRESSES, found)
    return Cluster(int(rank), int(size), found)


def _of_json(name: str, text: str, order: Any) -> Cluster:
    try:
        content = json.loads(text)
        if content == {}:  # as TensorFlow takes it
            return Cluster()
        groups, task = content["cluster"], content["task"]
        kind, index = str(task["type"]), task.get("index") or 0
        kinds = order(groups)
        before = sum(len(groups[other]) for other in kinds[: kinds.index(kind)])
        if not str(index).isdecimal() or int(index) >= len(groups[kind]):
            raise IndexError(index)
        hosts = tuple(host for other in kinds for host in groups[other])
        if {type(groups[other]) for other in kinds} != {list} or set(map(type, hosts)) != {str}:
            raise TypeError(groups)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        raise UserError(f"{name} does not describe this machine: {plain(text)}") from None
    _check_addresses(name, hosts)
    return Cluster(before + int(index), len(hosts), hosts)


def _check_addresses(name: str, addresses: Sequence[str]) -> None:
    """Refuses what TensorFlow would wait for in vain."""
    for number, address in enumerate(addresses):
        match = ADDRESS.fullmatch(address)
        if not match or not 0 < int(match[1] or 1) < 2**16:
            raise UserError(f"{name} names '{plain(address)}': expected HOST or HOST:PORT")
        if address in addresses[:number]:
            raise UserError(f"{name} names {plain(address)} twice: each machine has an address of its own")


def _pools(groups: dict[str, list[str]]) -> list[str]:
    """Vertex AI's pools in order: workerpool0 has the chief."""
    return sorted(groups, key=lambda name: int(name.removeprefix("workerpool")))


def _roles(groups: dict[str, list[str]]) -> list[str]:
    """Roles of TF_CONFIG in order: the chief, then the workers; others, such as an evaluator, do not train."""
    return [name for name in (*CHIEFS, "worker") if name in groups]
