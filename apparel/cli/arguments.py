"""Arguments that commands share: numbers, paths, parameters, a free port, and a yes-or-no question on the terminal."""

import argparse
import socket
from pathlib import Path

from apparel.errors import UserError, plain
from apparel.utils import buckets


def positive_int(text: str) -> int:
    """An argument that is a whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, not {text!r}")
    return int(text)


def trial_number(text: str) -> int:
    """An argument that is the number of a trial, which Optuna counts from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a trial's number, not {text!r}")
    return int(text)


def path_or_address(text: str) -> Path | str:
    """An argument that is a path, or an address in a bucket, which stays text: a `Path` takes the second slash away."""
    if buckets.is_address(text):
        try:
            return buckets.checked(text)
        except UserError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
    if buckets.ADDRESS.match(text):
        starts = " or ".join(buckets.SCHEMES)
        raise argparse.ArgumentTypeError(f"expected a path, or an address of {starts}, not {plain(text)!r}")
    return Path(text)


def local_path(text: str) -> Path:
    """An argument that is a path of this machine, and cannot be an address."""
    if buckets.ADDRESS.match(text):
        raise argparse.ArgumentTypeError(
            f"expected a path of this machine, not {plain(text)!r}; `gcloud storage cp` or `aws s3 cp` bring it here"
        )
    return Path(text)


def add_set_param(parser: argparse.ArgumentParser) -> None:
    """Adds `-S KEY=VALUE`, which may be given again, as `set_param`."""
    parser.add_argument(
        "-S",
        "--set-param",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a value that wins over params.yaml and the recipe, such as train.epochs=10; may be given again",
    )


def add_runner(parser: argparse.ArgumentParser) -> None:
    """Adds `--runner NAME` and `--runner-option OPTION`, for `beam.ask`."""
    parser.add_argument(
        "--runner",
        metavar="NAME",
        help="let Apache Beam do it: DirectRunner, DataflowRunner, FlinkRunner, SparkRunner, PortableRunner; see "
        "docs/beam.md (default: this process, on all cores)",
    )
    parser.add_argument(
        "--runner-option",
        action="append",
        default=[],
        metavar="OPTION",
        help="option of the runner, such as direct_num_workers=4; may be given again",
    )


def confirm(question: str, without_terminal: str) -> bool:
    """Whether the answer to `question` is yes; an empty answer is no.

    Args:
        question: asked on the terminal.
        without_terminal: what to do where nobody can answer, such as `add --yes`.

    Raises:
        UserError: standard input is closed.
    """
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        raise UserError(f"there is no terminal to ask at; {without_terminal}") from None


def check_port_free(host: str, port: int) -> None:
    """Raises a `UserError` when no server can listen at that address."""
    try:
        with socket.create_server((host, port)):
            pass
    except (OSError, OverflowError) as error:
        raise UserError(f"no server can listen at {host}:{port} ({error}); choose another port with --port") from None
