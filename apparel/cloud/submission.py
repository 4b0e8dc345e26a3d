"""A job before it runs: its folder in the bucket, its description, and Vertex AI's configuration of it as YAML."""

import hashlib
import json
import os
import re
import secrets
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from apparel import paths
from apparel.cloud import gcloud, start
from apparel.cloud.dvc_remote import Remote, check_data, default_remote
from apparel.cloud.machines import Machines
from apparel.cloud.snapshot import Snapshot
from apparel.errors import UserError, plain, some_of
from apparel.sweeps.storage import VARIABLE as SWEEP_STORAGE
from apparel.tracking.server import server_address
from apparel.training.bucket_checkpoints import VARIABLE as CHECKPOINTS
from apparel.utils import addresses, buckets, files, processes
from apparel.versioning import git

TASKS = ("train", "eval", "sweep", "predict")
"""What a job can do: `dvc repro`, `dvc repro eval`, and the commands `apparel sweep` and `apparel predict`."""

BUCKET_VARIABLE = "APPAREL_BUCKET"
IMAGE_VARIABLE = "APPAREL_IMAGE"
"""Environment variables with the default of `--bucket` and `--image`."""

LABEL = "apparel"
"""Label of a job in Vertex AI, with its task, by which jobs of this project's kind are found."""

COMMAND = "import sys, fsspec; exec(fsspec.open(sys.argv[1] + '/start.py').open().read().decode())"
"""Python's command line in the container: runs `start.py` of the job's folder. The bucket's owners decide what runs."""

RECORDS = paths.LOCAL / "cloud"
"""Folder with the configuration of each job that was submitted from here."""


@dataclass(frozen=True)
class Job:
    """A job.

    Attributes:
        name: of its folder, of its DVC experiment, and shown in Vertex AI.
        task: of `TASKS`.
        arguments: of the command that the task runs.
        folder: its address in the bucket.
        remote: DVC's remote, which has the data.
        variables: environment variables in the container; no passwords.
    """

    name: str
    task: str
    arguments: Sequence[str]
    folder: str
    remote: Remote
    variables: dict[str, str] = field(default_factory=dict)

    def description(self, snapshot: Snapshot, sha256: str) -> dict[str, Any]:
        """The content of job.json, from which the machines know what to do."""
        return {
            "version": start.VERSION,
            "name": self.name,
            "task": self.task,
            "arguments": list(self.arguments),
            "commit": snapshot.commit,
            "state": snapshot.state,
            "sha256": sha256,
            "generated": snapshot.generated(),
            "remote": {"name": self.remote.name, **self.remote.options},
            "variables": self.variables,
        }

    def command(self) -> list[str]:
        """What each machine runs, wherever it is."""
        return ["python", "-c", COMMAND, self.folder]

    def configuration(self, machines: Machines) -> str:
        """Vertex AI's CustomJobSpec as YAML."""
        *command, folder = self.command()
        spec: dict[str, Any] = {"workerPoolSpecs": machines.pools(command, [folder], self.variables)}
        scheduling = {"strategy": "SPOT"} if machines.spot else {}
        if self.task == "train" and machines.count > 1:
            scheduling["restartJobOnWorkerRestart"] = True  # a training that lost a machine ends on all
        if scheduling:
            spec["scheduling"] = scheduling
        return _yaml(spec | machines.access())

    def gcloud_line(self, machines: Machines) -> list[str]:
        """The command line that creates the job."""
        options = [
            f"--display-name={self.name}",
            f"--labels={LABEL}={self.task}",
            f"--config={self.record().as_posix()}",
        ]
        return gcloud.custom_jobs("create", *options, region=machines.region)

    def record(self) -> Path:
        """The file with its configuration."""
        return RECORDS / f"{self.name}.yaml"


def plan(task: str, arguments: Sequence[str], bucket: str | None, name: str | None) -> Job:
    """A job by what the user asked for.

    Raises:
        UserError: it cannot work, or would take a password away from this machine.
    """
    remote = default_remote()
    name = new_name(task, name)
    arguments, variables = list(arguments), tracking_variables()
    if task == "sweep":
        arguments, address = sweep_storage(arguments)
        variables[SWEEP_STORAGE] = address
    for argument in arguments:
        if addresses.without_password(argument) != argument:
            raise UserError("an argument after `--` holds a password, which would be seen in the job's description")
    folder = job_folder(bucket, name, remote)
    if task != "predict":  # one place for all jobs: one that is submitted again finds what an earlier one left
        variables[CHECKPOINTS] = f"{folder.rpartition('/jobs/')[0]}/checkpoints"
    return Job(name, task, arguments, folder, remote, variables)


def tracking_variables() -> dict[str, str]:
    """The address of the MLflow server, if the job can reach it; without its password, which stays here."""
    address = server_address()
    host = urlsplit(address).hostname or ""
    is_here = not address.startswith(("http://", "https://")) or host in ("localhost", "::1") or host.startswith("127.")
    return {} if is_here else {"MLFLOW_TRACKING_URI": address}


def sweep_storage(arguments: list[str]) -> tuple[list[str], str]:
    """The arguments of a sweep without `--storage`, and the storage's address, from there or the environment.

    Raises:
        UserError: there is none, it is a file of this machine, or it has a password.
    """
    rest, address = [], os.environ.get(SWEEP_STORAGE, "")
    given = iter(arguments)
    for argument in given:
        if argument == "--storage":
            address = next(given, "")
        elif argument.startswith("--storage="):
            address = argument.removeprefix("--storage=")
        else:
            rest.append(argument)
    if not address or address.startswith("sqlite"):
        raise UserError("the workers of a job share a database: -- --storage grpc://HOST:13000; see docs/sweeps.md")
    parts = urlsplit(address)
    if parts.password is not None or addresses.mask_options(address) != address:
        raise UserError(
            "the storage's address holds a password, which would be seen in the job's description; "
            "grpc://HOST:13000, Optuna's proxy inside of your network, needs none: see docs/sweeps.md"
        )
    if parts.hostname in ("localhost", "127.0.0.1", "::1"):
        raise UserError(f"{parts.hostname} is another machine for each worker; name the host by its address")
    return rest, address


def text(job: Job, snapshot: Snapshot) -> str:
    """What a job is, for the terminal."""
    changes = [plain(name) for name in snapshot.changes()]
    edited = f", with {len(changes)} changed files: {some_of(changes, 5)}" if changes else ""
    lines = [
        f"job       {job.name}: {shlex.join([job.task, *job.arguments])}",
        f"snapshot  commit {snapshot.commit[:7]}{edited}",
        f"folder    {job.folder}",
        f"data      DVC's remote '{job.remote.name}', {job.remote.address}",
        f"MLflow    {job.variables.get('MLFLOW_TRACKING_URI', 'gets the runs when `apparel cloud fetch` brings them')}",
    ]
    return "\n".join(lines)


def new_name(task: str, given: str | None = None) -> str:
    """The name of a job: the given one, else task, time and two random bytes.

    Raises:
        UserError: the given one is none, or that of a DVC experiment here.
    """
    if given is None:
        return f"{task}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"
    if given in git.experiments():
        raise UserError(f"--name {given}: a DVC experiment has this name; the job's results would be one, too")
    return checked_name(given)


def checked_name(name: str) -> str:
    """The name of a job.

    Raises:
        UserError: it is none that Vertex AI, git and file systems take.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,61}[a-z0-9]", name):
        raise UserError(f"{plain(name)} is no name of a job: lower-case letters, digits and '-', at most 63")
    return name


def job_folder(bucket: str | None, name: str, remote: Remote) -> str:
    """Address of a job's folder.

    Args:
        bucket: what was asked for; by default the variable APPAREL_BUCKET, else where DVC's remote is.
        name: of the job.
        remote: DVC's.

    Raises:
        UserError: it is no address, or machines elsewhere cannot reach the remote.
    """
    bucket = buckets.checked(bucket or os.environ.get(BUCKET_VARIABLE) or remote.address)
    if remote.is_here_only and not buckets.is_here_only(bucket):
        raise UserError(
            f"DVC's remote '{remote.name}' is a folder of this machine, which the job cannot reach; "
            f"`dvc remote add --default storage {bucket}/dvc` and `dvc push`"
        )
    return f"{bucket}/jobs/{name}"


def send(job: Job, snapshot: Snapshot) -> int:
    """Sends the snapshot, and what DVC's remote lacks; returns the bytes of the snapshot.

    Raises:
        UserError: there is a job of this name, data changed and DVC does not know it, or the bucket or the remote
            cannot be written.
    """
    folder = buckets.Folder(job.folder)
    if folder.names():
        raise UserError(f"{job.folder} exists; give the job another --name")
    check_data()
    push_data()
    with TemporaryDirectory(prefix="apparel-pack-") as name:
        pack = Path(name) / "snapshot.pack"
        snapshot.pack(pack)
        with pack.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if not folder.create("start.py", Path(start.__file__).read_bytes()):  # the folder is the first one's
            raise UserError(f"another submission has made {job.folder} meanwhile; give the job another --name")
        with _removed_on_failure(folder):
            folder.upload("snapshot.pack", pack)
            folder.write("job.json", json.dumps(job.description(snapshot, sha256), indent=2).encode() + b"\n")
        return pack.stat().st_size


def create(job: Job, machines: Machines) -> str:
    """Creates the job in Vertex AI; returns its full name there.

    Raises:
        UserError: gcloud refuses it.
    """
    files.write_text(job.record(), job.configuration(machines))
    with _removed_on_failure(buckets.Folder(job.folder)):
        answer = gcloud.run_json(job.gcloud_line(machines))
    name = answer.get("name", "") if isinstance(answer, dict) else ""
    if not gcloud.JOB.fullmatch(name):
        raise UserError(f"gcloud answered without a job's name: {plain(str(answer))}")
    return name


@contextmanager
def _removed_on_failure(folder: buckets.Folder) -> Iterator[None]:
    """Removes a job's folder where the block fails or Ctrl-C ends it: the same command may be repeated, by its name."""
    try:
        yield
    except BaseException:
        with suppress(UserError):
            folder.remove()
        raise


def push_data() -> None:
    """Sends DVC's remote what dvc.lock and .dvc files name and it lacks.

    Raises:
        UserError: the remote cannot be written.
    """
    environment = processes.with_this_python(os.environ)
    command = [sys.executable, "-m", "dvc", "push"]
    if subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False).returncode:
        raise UserError("`dvc push` failed, see above; nothing was submitted")


def _yaml(value: Any) -> str:
    from ruamel.yaml import YAML

    yaml, text = YAML(), StringIO()
    yaml.width = 4096  # no line is folded
    yaml.indent(sequence=4, offset=2)
    yaml.representer.ignore_aliases = lambda _: True
    yaml.dump(value, text)
    return text.getvalue()
