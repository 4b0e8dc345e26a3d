"""Machines of a job as Vertex AI names them: machine type, accelerators, region and container image."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from apparel import params
from apparel.errors import UserError, nearest, plain
from apparel.utils import buckets

GPUS = {
    "T4": "NVIDIA_TESLA_T4",
    "V100": "NVIDIA_TESLA_V100",
    "P100": "NVIDIA_TESLA_P100",
    "P4": "NVIDIA_TESLA_P4",
    "L4": "NVIDIA_L4",
    "A100": "NVIDIA_TESLA_A100",
    "A100-80GB": "NVIDIA_A100_80GB",
    "H100": "NVIDIA_H100_80GB",
    "H200": "NVIDIA_H200_141GB",
    "B200": "NVIDIA_B200",
}
"""Vertex AI's names of accelerators by what people call them: AcceleratorType of its API, v1."""

MAX_MACHINES = 1000
"""Of a job; more is a slip of the finger, and machines cost money."""

MAX_GPUS = 16
"""Accelerators of a machine; the largest machine type, a2-megagpu-16g, has 16."""


ON_ONE_MACHINE = ("eval", "predict")
"""Tasks that more machines would not make faster."""


@dataclass(frozen=True)
class Machines:
    """What a job runs on.

    Attributes:
        type: machine type of Compute Engine, such as n1-standard-8.
        count: how many.
        image: address of the container image, which has Python, git and the packages of requirements.txt.
        gpu: accelerator as `GPUS` or Vertex AI names it, with `:2` for two a machine; None for none.
        spot: whether they are cheaper machines that may be taken away.
        region: such as europe-west4; None for that of gcloud's settings.
        network: full name of the network of the project whose private addresses the machines reach; None for none.
        account: e-mail address of the service account as which they run; None for Vertex AI's own.
    """

    type: str
    count: int
    image: str
    gpu: str | None = None
    spot: bool = False
    region: str | None = None
    network: str | None = None
    account: str | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)+", self.type):
            raise UserError(f"--machine {plain(self.type)} is no machine type such as n1-standard-8 or g2-standard-8")
        if not 1 <= self.count <= MAX_MACHINES:
            raise UserError(f"--machines {self.count}: from 1 to {MAX_MACHINES}")
        if self.region is not None and not re.fullmatch(r"[a-z]+-[a-z]+\d+", self.region):
            raise UserError(f"--region {plain(self.region)} is no region such as europe-west4 or us-central1")
        if not re.fullmatch(r"[a-z0-9][\w.\-/:@]*", self.image):
            raise UserError(
                f"--image {plain(self.image)} is no address such as REGION-docker.pkg.dev/PROJECT/apparel/job"
            )
        if self.network is not None and not re.fullmatch(r"projects/\d+/global/networks/[a-z][a-z0-9-]*", self.network):
            raise UserError(
                f"--network {plain(self.network)} is no name such as projects/12345/global/networks/default, in which "
                "12345 is the project's number: `gcloud projects describe PROJECT`"
            )
        if self.account is not None and not re.fullmatch(r"[a-z0-9-]+@[a-z0-9-]+(\.[a-z0-9-]+)+", self.account):
            raise UserError(
                f"--service-account {plain(self.account)} is no address such as jobs@PROJECT.iam.gserviceaccount.com"
            )
        self.accelerator()

    def access(self) -> dict[str, str]:
        """What Vertex AI's CustomJobSpec says of the network and the account; empty for its own defaults."""
        named = {"network": self.network, "serviceAccount": self.account}
        return {key: value for key, value in named.items() if value}

    def accelerator(self) -> tuple[str, int] | None:
        """Vertex AI's name of the accelerator and how many a machine has; None without.

        Raises:
            UserError: there is no such accelerator, or more of it than a machine can have.
        """
        if self.gpu is None:
            return None
        name, _, count = self.gpu.partition(":")
        name = name.upper()
        number = int(count or 1) if (count or "1").isdecimal() else 0
        if name not in GPUS and name not in GPUS.values():
            raise UserError(f"--gpu {plain(self.gpu)}: there is no such GPU{nearest(name, list(GPUS))}")
        if not 1 <= number <= MAX_GPUS:
            raise UserError(f"--gpu {plain(self.gpu)}: write T4 for one a machine, T4:2 for two, at most {MAX_GPUS}")
        return GPUS.get(name, name), number

    def warnings(self, folder: str, variables: Mapping[str, str]) -> Iterator[str]:
        """What may make a job useless or dear, and is no mistake everywhere.

        Args:
            folder: the job's address in the bucket.
            variables: environment variables in the container, whose values are addresses.
        """
        if buckets.is_here_only(folder):
            yield f"{folder} is a folder of this machine, which others reach only where they mount it; see --bucket"
        if (accelerator := self.accelerator()) and accelerator[1] > 1:
            yield f"each machine uses its first GPU, and would have {accelerator[1]}: more machines use more"
        for name, address in variables.items():
            if not self.network and is_private(urlsplit(address).hostname or ""):
                yield (
                    f"{name}={address} is inside of a network: Vertex AI's machines reach it where --network names that"
                )

    def pools(self, command: list[str], arguments: list[str], variables: dict[str, str]) -> list[dict]:
        """Vertex AI's worker pools: the first machine, which is the chief, and the others.

        Source: WorkerPoolSpec of Vertex AI's API, v1; the first pool has exactly one replica.
        """
        machine: dict[str, object] = {"machineType": self.type}
        if accelerator := self.accelerator():
            machine |= {"acceleratorType": accelerator[0], "acceleratorCount": accelerator[1]}
        container = {"imageUri": self.image, "command": command, "args": arguments}
        if variables:
            container["env"] = [{"name": name, "value": value} for name, value in sorted(variables.items())]
        counts = [1] + ([self.count - 1] if self.count > 1 else [])
        return [{"machineSpec": machine, "replicaCount": count, "containerSpec": container} for count in counts]


def is_private(host: str) -> bool:
    """Whether a host is an address that routers of the internet do not know."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return False


def check_count(task: str, count: int) -> None:
    """Raises a `UserError` where a task does not use that many machines."""
    if count == 1:
        return
    if task in ON_ONE_MACHINE:
        raise UserError(f"{task} runs on one machine; --machines {count} is for train, and for sweep")
    if task == "train" and (replicas := params.load().train.replicas) % count:
        raise UserError(
            f"--machines {count}: train.replicas in params.yaml, now {replicas}, has to be a multiple of it; it is the "
            "number of parts of a batch, and decides the result, whatever the number of machines"
        )
