"""`apparel cloud submit` and `prepare`: a snapshot of the project and its data to a bucket, and a job that runs it."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apparel import cli
from apparel.cli.arguments import positive_int
from apparel.errors import UserError

if TYPE_CHECKING:
    from apparel.cloud.machines import Machines

REST = (
    "after `--`: options of `apparel sweep`, or PHOTOS (addresses of gs:// or s3://) and options of `apparel predict`"
)
NOT_IN_A_JOB = {"sweep": ("report", "finish", "dry_run"), "predict": ("out", "dry_run")}
"""Options of those commands that make no sense in a job, which decides where results go, unless to an address."""


class _WithRest(argparse.ArgumentParser):
    """Keeps what follows `--` as `rest`: argparse gives an optional list nothing that follows an option."""

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:
        given = list(args or [])
        end = given.index("--") if "--" in given else len(given)
        parsed, unknown = super().parse_known_args(given[:end], namespace)
        parsed.rest = given[end + 1 :]
        return parsed, unknown


def add_commands(commands: Any) -> None:
    """Adds the subcommands to those of `apparel cloud`."""
    commands._parser_class = _WithRest  # of these two; argparse lets it be chosen for all subcommands only
    submit = commands.add_parser("submit", epilog=REST, help="run train, eval, sweep or predict as a job in Vertex AI")
    prepare = commands.add_parser("prepare", epilog=REST, help="only send snapshot and data, for machines elsewhere")
    commands._parser_class = argparse.ArgumentParser
    for command in (submit, prepare):
        command.add_argument("task", choices=("train", "eval", "sweep", "predict"), help="train is all of `dvc repro`")
        bucket_help = "gs://BUCKET/FOLDER (default: the variable APPAREL_BUCKET, else DVC's default remote)"
        command.add_argument("--bucket", metavar="ADDRESS", help=bucket_help)
        command.add_argument("--name", help="of the job and its DVC experiment (default: made of task and time)")
        command.add_argument("--dry-run", action="store_true", help="show what would be sent and run, and stop")
    submit.add_argument("--machine", metavar="TYPE", required=True, help="machine type, such as n1-standard-8")
    machines_help = "for train, of one model: a divisor of train.replicas; for sweep, a worker on each (default: 1)"
    submit.add_argument("--machines", metavar="N", type=positive_int, default=1, help=machines_help)
    submit.add_argument("--gpu", metavar="GPU[:N]", help="T4, V100, P100, L4, A100, A100-80GB, H100; T4:2 for two")
    submit.add_argument("--spot", action="store_true", help="cheaper machines that may be taken away")
    submit.add_argument("--region", help="default: that of `gcloud config set ai/region`")
    network_help = "projects/NUMBER/global/networks/NAME, whose private addresses the machines reach (default: none)"
    submit.add_argument("--network", metavar="NAME", help=network_help)
    submit.add_argument("--service-account", metavar="EMAIL", help="as which the job runs (default: Vertex AI's own)")
    submit.add_argument("--image", metavar="ADDRESS", help="container image (default: the variable APPAREL_IMAGE)")


def run(arguments: argparse.Namespace) -> None:
    """Submits or prepares the job, or shows it.

    Raises:
        UserError: an argument cannot work, a file may not leave this machine, or bucket, DVC or gcloud refuse.
    """
    from apparel.cloud import gcloud, snapshot, submission

    machines = _machines(arguments) if arguments.command == "submit" else None
    check_rest(arguments.task, arguments.rest)
    job = submission.plan(arguments.task, arguments.rest, arguments.bucket, arguments.name)
    with snapshot.taken() as taken:
        print(submission.text(job, taken))
        if machines:
            for warning in machines.warnings(job.folder, job.variables):
                print(f"warning: {warning}")
            line = gcloud.shown(job.gcloud_line(machines))
            print(f"\n# {job.record().as_posix()}\n{job.configuration(machines)}\n{line}")
        else:
            print(f"\non each machine: {gcloud.shown(job.command())}")
        if arguments.dry_run:
            return
        if machines:
            gcloud.check_installed()
        print(f"sent {submission.send(job, taken):,} bytes to {job.folder}", flush=True)
    if machines:
        number = submission.create(job, machines).rpartition("/")[2]
        region = f" --region {machines.region}" if machines.region else ""
        print(f"job {number}; apparel cloud logs {number} --follow{region}, then apparel cloud fetch {number}{region}")
    else:
        print(f"once it has run: apparel cloud fetch {job.folder}")


def check_rest(task: str, rest: list[str]) -> None:
    """Refuses arguments that the task's command does not take, as that command does, before anything is sent.

    Raises:
        UserError: the task takes none, an option makes no sense in a job, or photos lie on this machine.
    """
    if task in ("train", "eval"):
        if rest:
            raise UserError(f"{task} takes nothing after `--`: params.yaml has its parameters")
        return
    parser = argparse.ArgumentParser(prog=f"apparel {task}", allow_abbrev=False)
    cli.configure(parser, task)
    given = parser.parse_args(rest)
    for name in NOT_IN_A_JOB[task]:
        is_address = name == "out" and isinstance(given.out, str)
        if getattr(given, name) != parser.get_default(name) and not is_address:
            raise UserError(f"--{name.replace('_', '-')} makes no sense in a job")
    file = Path(given.config if task == "sweep" else given.model)
    if file.exists() and not file.resolve().is_relative_to(Path.cwd()):
        raise UserError(f"the job does not have {file.as_posix()}, which lies outside of the project")
    if task == "predict" and (here := [name for name in given.photos if "://" not in name]):
        raise UserError(f"the job does not have {here[0]}: PHOTOS are addresses of gs:// or s3://")


def _machines(arguments: argparse.Namespace) -> "Machines":
    import os

    from apparel.cloud import submission
    from apparel.cloud.machines import Machines, check_count

    image = arguments.image or os.environ.get(submission.IMAGE_VARIABLE)
    if not image:
        raise UserError("--image, or the variable APPAREL_IMAGE, has to name a container image; see docs/cloud.md")
    check_count(arguments.task, arguments.machines)
    places = (arguments.region, arguments.network, arguments.service_account)
    return Machines(arguments.machine, arguments.machines, image, arguments.gpu, arguments.spot, *places)
