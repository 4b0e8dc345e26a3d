"""Machines that train one model: processes of the stage train, on the loopback or in network namespaces."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from apparel.tracking.sender_process import LATER_VARIABLE
from apparel.training import cluster
from tests.support import project_copy, servers, tiny_detector

TRAIN = {
    "detector": "ssd_mobilenet_v1", "resolution": tiny_detector.SIDE, "depth_multiplier": 0.25, "batch_size": 4,
    "steps": 12, "validate_every": 2, "moving_average": 0.9, "replicas": 2,
}  # fmt: skip
"""Six photos, and a validation after each three steps."""


def projects(folder: Path, count: int, **train: object) -> list[Path]:
    """A copy of the project with tiny records for each machine."""
    first = project_copy.copy(folder / "0")
    project_copy.set_params(first / "params.yaml", data={"classes": list(tiny_detector.CLASSES)}, train=TRAIN | train)
    tiny_detector.records(first)
    for number in range(1, count):
        shutil.copytree(first, folder / str(number), symlinks=True)
    return [folder / str(number) for number in range(count)]


@contextmanager
def training(
    folders: Sequence[Path], addresses: Sequence[str] = (), prefixes: Sequence[Sequence[str]] = ()
) -> Iterator[list[subprocess.Popen]]:
    """The stage in each folder, all together one training; killed at the end.

    Args:
        folders: the chief's first.
        addresses: of the machines; by default ports of the loopback.
        prefixes: what the command of each machine begins with.
    """
    addresses = addresses or [f"127.0.0.1:{servers.free_port()}" for _ in folders]
    outside = ("MLFLOW_", "DVC_", "APPAREL_", *cluster.VARIABLES)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(outside)}
    environment |= {LATER_VARIABLE: "1", "TQDM_DISABLE": "1"}
    if len(folders) > 1:
        environment |= {cluster.SIZE: str(len(folders)), cluster.ADDRESSES: " ".join(addresses)}
    processes = []
    try:
        for rank, folder in enumerate(folders):
            given = {cluster.RANK: str(rank)} if len(folders) > 1 else {}
            with (folder / "log").open("wb") as log:
                command = [*(prefixes[rank] if prefixes else []), sys.executable, "-m", "stages.train"]
                processes.append(
                    subprocess.Popen(
                        command, cwd=folder, env=environment | given,
                        stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                    )
                )  # fmt: skip
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def log(folder: Path) -> str:
    """What the machine of a folder wrote."""
    return (folder / "log").read_text(encoding="utf-8", errors="replace")


def results(folder: Path) -> dict[str, bytes]:
    """The outputs of the stage, by path."""
    made = folder / "data" / "results" / "train"
    return {path.relative_to(made).as_posix(): path.read_bytes() for path in made.rglob("*") if path.is_file()}


def has_checkpoint(folder: Path, step: int = 0) -> bool:
    """Whether a training has one that it can resume from, of a step or a later one."""
    trainings = (folder / ".apparel" / "training").glob("*/latest/checkpoint")
    steps = [int(path.stem[5:]) for latest in trainings for path in latest.parent.glob("ckpt-*.index")]
    return any(found >= step for found in steps)


@contextmanager
def namespaces(count: int) -> Iterator[list[str] | None]:
    """Names of network namespaces that reach each other at 10.77.0.1 and following; None where the system allows none.

    Each has a device `eth`, which may be set down.
    """
    names = [f"apparel-{os.getpid()}-{number}" for number in range(count)]
    bridge = f"apparel{os.getpid()}"[:15]
    try:
        yield names if _make_namespaces(names, bridge) else None
    finally:
        for command in [*(["ip", "netns", "del", name] for name in names), ["ip", "link", "del", bridge]]:
            with suppress(OSError):
                subprocess.run(command, check=False, capture_output=True)


def _make_namespaces(names: Sequence[str], bridge: str) -> bool:
    lines = [f"ip link add {bridge} type bridge", f"ip link set {bridge} up"]
    for number, name in enumerate(names):
        peer = f"{bridge[:13]}-{number}"
        lines += [
            f"ip netns add {name}",
            f"ip link add {peer} type veth peer name eth netns {name}",
            f"ip link set {peer} master {bridge} up",
            f"ip -n {name} addr add 10.77.0.{number + 1}/24 dev eth",
            f"ip -n {name} link set eth up",
            f"ip -n {name} link set lo up",
        ]
    try:
        return all(not subprocess.run(line.split(), check=False, capture_output=True).returncode for line in lines)
    except OSError:
        return False
