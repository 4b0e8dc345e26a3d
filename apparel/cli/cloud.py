"""`apparel cloud`: run the pipeline, a sweep or a prediction on other machines, and bring the results home."""

import argparse

from apparel.cli import cloud_jobs, cloud_submit

EXAMPLES = """examples:
  apparel cloud submit train --machine g2-standard-8 --gpu L4 --spot --dry-run
  apparel cloud submit sweep --machine n2-standard-8 --machines 8 -- --trials 64 --storage grpc://10.0.0.5:13000
  apparel cloud jobs                             the last that `apparel cloud` made, newest first
  apparel cloud logs 123456789 --follow          what its machines write, until it has ended
  apparel cloud fetch 123456789                  its results: `dvc repro` then finds nothing to do
  apparel cloud prepare train                    for machines of SkyPilot, Kubernetes, Slurm or SSH: configs/cloud

docs/cloud.md leads from an empty project to a trained model, and says what a run costs and what must not be public."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the subcommands."""
    parser.epilog = EXAMPLES
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    cloud_submit.add_commands(commands)
    cloud_jobs.add_commands(commands)


def main(arguments: argparse.Namespace) -> None:
    """Runs the subcommand."""
    match arguments.command:
        case "submit" | "prepare":
            cloud_submit.run(arguments)
        case "jobs":
            cloud_jobs.list_jobs(arguments)
        case "logs":
            cloud_jobs.show_log(arguments)
        case "cancel":
            cloud_jobs.cancel(arguments)
        case "fetch":
            cloud_jobs.fetch(arguments)
