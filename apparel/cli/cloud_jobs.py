"""`apparel cloud jobs`, `logs`, `cancel` and `fetch`: what becomes of a job."""

import argparse
from typing import Any

from apparel.cli.arguments import positive_int


def add_commands(commands: Any) -> None:
    """Adds the subcommands to those of `apparel cloud`."""
    listed = commands.add_parser("jobs", help="list jobs, newest first")
    listed.add_argument("--limit", type=positive_int, default=20, help="how many (default 20)")
    logs = commands.add_parser("logs", help="show what the machines of a job wrote")
    logs.add_argument("--follow", action="store_true", help="go on until the job has ended")
    cancel = commands.add_parser("cancel", help="end a job; stages that have ended are kept")
    fetch = commands.add_parser("fetch", help="bring the results of a job here: outputs, experiments, MLflow's runs")
    for command in (logs, cancel):
        command.add_argument("job", metavar="ID", help="number of the job, or its full name")
    fetch.add_argument("job", metavar="ID", help="number of the job, or the address of its folder")
    for command in (listed, logs, cancel, fetch):
        command.add_argument("--region", help="default: that of `gcloud config set ai/region`")


def list_jobs(arguments: argparse.Namespace) -> None:
    """Lists the last jobs."""
    from apparel.cloud import jobs

    found = jobs.listed(arguments.region, arguments.limit)
    print("\n".join(job.line() for job in found) or "no jobs; `apparel cloud submit` makes one")


def show_log(arguments: argparse.Namespace) -> None:
    """Shows a job's log; with `--follow` until the job has ended, and why if it failed."""
    from apparel.cloud import gcloud, jobs
    from apparel.errors import UserError

    number, region = gcloud.parse_job(arguments.job, arguments.region)
    if not arguments.follow:
        lines = jobs.log(number)
        job = None if lines else jobs.describe(number, region)
        print("\n".join(lines) if lines else f"job {number} is {job.state}, and has written nothing")
        return
    job = jobs.follow(number, region)
    if job.state != "succeeded":
        raise UserError(jobs.failure(job))
    print(f"job {number} succeeded; its results: apparel cloud fetch {number}")


def cancel(arguments: argparse.Namespace) -> None:
    """Ends a job."""
    from apparel.cloud import gcloud, jobs

    number, region = gcloud.parse_job(arguments.job, arguments.region)
    job = jobs.cancel(number, region)
    if job.state in jobs.ENDED:
        print(f"job {number} has ended before: {job.state}")
    else:
        print(f"job {number} is told to end; `apparel cloud jobs` shows when it has")


def fetch(arguments: argparse.Namespace) -> None:
    """Brings a job's results here."""
    from apparel.cloud import fetch as fetching
    from apparel.cloud import gcloud, jobs, results
    from apparel.errors import UserError

    address = arguments.job
    if "://" not in address:
        number, region = gcloud.parse_job(address, arguments.region)
        job = jobs.describe(number, region)
        if job.folder is None:
            raise UserError(f"job {number} was not made by `apparel cloud submit`")
        if job.state not in jobs.ENDED:
            raise UserError(f"job {number} is {job.state}; `apparel cloud logs {number} --follow` waits for its end")
        if job.state != "succeeded" and not results.read_endings(job.folder):
            raise UserError(jobs.failure(job))
        address = job.folder
    print("\n".join(fetching.fetch(address).lines()))
