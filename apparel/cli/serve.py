"""`apparel serve`: answers photos with detections over HTTP, and has a page to try it in a browser."""

import argparse
import dataclasses
import os
import re
import secrets

import psutil

from apparel.cli.arguments import check_port_free, positive_int
from apparel.errors import UserError, nearest

TOKEN_VARIABLE = "APPAREL_TOKEN"

EXAMPLES = """examples:
  apparel serve                                    the model of the last `dvc repro`, at http://127.0.0.1:8000
  apparel serve --model champion                   the alias in MLflow; a new champion is taken up while it runs
  APPAREL_TOKEN=$(cat token) apparel serve --host 0.0.0.0 --allow-host detector.example.org
  curl -F photos=@a.jpg -F photos=@b.jpg http://127.0.0.1:8000/detect

More: docs/serving.md."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    from apparel.analysis.predictions.choose_network import RUNTIMES
    from apparel.serving.limits import Limits

    parser.epilog = EXAMPLES
    parser.add_argument(
        "--model",
        default="workspace",
        help="a folder or an exported file, here or in a bucket, an ensemble, an experiment, a commit, an MLflow run, "
        "`models:/...` or an alias such as `champion` (default: the model of the last `dvc repro`)",
    )
    parser.add_argument("--runtime", choices=list(RUNTIMES), help="default: the fastest export that there is")
    cores = len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else os.cpu_count()
    parser.add_argument("--threads", type=positive_int, default=cores, help=f"default: a core each, here {cores}")
    parser.add_argument("--port", type=int, default=8000, help="default 8000")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help=f"default 127.0.0.1, this machine only; elsewhere requests need the token in {TOKEN_VARIABLE}, or the one "
        "that is made and printed",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name that clients call this server by, besides addresses, localhost and this machine's name",
    )
    poll_help = "seconds between looks for a newer model (default 10)"
    parser.add_argument("--poll", type=positive_int, default=10, metavar="SECONDS", help=poll_help)
    names = ", ".join(f"{field.name} {field.default:,}" for field in dataclasses.fields(Limits))
    parser.add_argument("--limit", action="append", default=[], metavar="NAME=NUMBER", help=f"a limit: {names}")


def main(arguments: argparse.Namespace) -> None:
    """Serves until SIGTERM or Ctrl-C.

    Raises:
        UserError: the port is in use, or there is no such model or limit.
    """
    from apparel.analysis import model_sources
    from apparel.analysis.predictions import choose_network
    from apparel.serving import access, run
    from apparel.serving.models import Models

    limits = _limits(arguments.limit)
    token = _token(needed=not access.is_local(arguments.host))
    check_port_free(arguments.host, arguments.port)
    model_sources.resolve(arguments.model)  # a wrong name is told before anything is waited for
    load = run.loader(arguments.runtime, arguments.threads)
    models = Models(arguments.model, model_sources.resolve, load, choose_network.files_of)
    address = f"http://{arguments.host}:{arguments.port}/" + (f"?token={token}" if token else "")
    print(f"{address}\nanswers at once, detects when the model is loaded; Ctrl-C ends it", flush=True)
    run.serve(
        models,
        arguments.host,
        arguments.port,
        arguments.threads,
        token=token,
        hosts=arguments.allow_host,
        limits=limits,
        poll_seconds=arguments.poll,
    )


def _token(needed: bool) -> str | None:
    """The token that requests need: that of the environment, else a new one if one is needed."""
    token = os.environ.get(TOKEN_VARIABLE)
    if token and not re.fullmatch(r"[\w.~-]{16,200}", token, re.ASCII):
        raise UserError(f"{TOKEN_VARIABLE} has to be 16 to 200 letters, digits or any of . _ ~ -")
    return token or (secrets.token_urlsafe(24) if needed else None)


def _limits(values: list[str]):
    """The usual limits, with these in the form NAME=NUMBER.

    Raises:
        UserError: there is no limit of that name, or the number is none above 0.
    """
    from apparel.serving.limits import Limits

    fields = {field.name: field.type for field in dataclasses.fields(Limits)}
    changed = {}
    for value in values:
        name, _, number = value.partition("=")
        if name not in fields:
            raise UserError(f"there is no limit '{name}'{nearest(name, list(fields))}")
        if not re.fullmatch(r"\d{1,12}", number, re.ASCII) or int(number) < 1:
            raise UserError(f"--limit {name} takes a whole number from 1, not '{number}'")
        changed[name] = int(number)
    return Limits(**changed)
