"""Google's command line `gcloud`, unmodified: its calls for Vertex AI's custom jobs, and its errors on one line."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from typing import Any

from apparel.errors import UserError, plain
from apparel.utils import addresses, processes

PACKAGE = "google-cloud-cli"
"""The package of gcloud in Google's repositories for Debian and Red Hat, and of Homebrew (as a cask)."""

JOB = re.compile(r"(?:projects/[^/\s]+/locations/([a-z0-9-]+)/customJobs/)?(\d+)")
"""Number of a custom job, alone or in its full name, which has the region."""

SETTINGS = {"CLOUDSDK_CORE_DISABLE_PROMPTS": "1", "CLOUDSDK_CORE_SHOW_STRUCTURED_LOGS": "never"}
"""Nobody answers questions here; errors come as text."""

REMEDIES = {
    r"\[region\].*not properly specified": "say `--region europe-west4`, or `gcloud config set ai/region europe-west4`",
    r"do not currently have an active account|reauthentication": "run `gcloud auth login`",
    r"property \[project\] is not": "run `gcloud config set project PROJECT`",
}
"""What to do about errors that everybody meets, by what gcloud 528 says."""


def custom_jobs(verb: str, *arguments: str, region: str | None = None) -> list[str]:
    """The command line of `gcloud ai custom-jobs VERB`."""
    return ["gcloud", "ai", "custom-jobs", verb, *arguments, *([f"--region={region}"] if region else [])]


def shown(command: list[str]) -> str:
    """A command line as one would type it."""
    return shlex.join(command)


def parse_job(name: str, region: str | None = None) -> tuple[str, str | None]:
    """Number and region of a job, from its number or full name.

    Raises:
        UserError: it is neither.
    """
    match = JOB.fullmatch(name.strip())
    if not match:
        raise UserError(f"'{plain(name)}' is no job: `apparel cloud jobs` lists their numbers")
    return match[2], match[1] or region


def run(command: list[str]) -> str:
    """What gcloud prints.

    Raises:
        UserError: gcloud is not installed, or fails; its own words are the message.
    """
    done = subprocess.run(
        _installed(command), env=os.environ | SETTINGS, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode:
        raise UserError(failure(done.stderr.decode(errors="replace")))
    return done.stdout.decode(errors="replace")


def run_json(command: list[str]) -> Any:
    """What gcloud answers, as values.

    Raises:
        UserError: as `run`.
    """
    text = run([*command, "--format=json"])
    try:
        return json.loads(text)
    except ValueError:
        raise UserError(f"gcloud gave no JSON: {plain(text) or 'nothing'}") from None


@contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen]:
    """gcloud with its output on the terminal, ended with the block."""
    with processes.guarded(_installed(command), env=os.environ | SETTINGS, stdin=subprocess.DEVNULL) as process:
        yield process


def failure(said: str) -> str:
    """gcloud's error on one line, without passwords, and with the remedy where it is one that everybody meets."""
    lines = said.splitlines()
    start = max((index for index, line in enumerate(lines) if line.startswith("ERROR:")), default=0)
    paragraph = list(takewhile(str.strip, lines[start:]))  # what follows is how to set it in general
    text = re.sub(r"^ERROR: (\(gcloud[\w.-]*\) ?)?", "", " ".join(" ".join(paragraph).split()))
    text = addresses.without_password(text)[:400] or "it ended without a message"
    remedy = next((remedy for pattern, remedy in REMEDIES.items() if re.search(pattern, text)), None)
    return f"gcloud: {text}" + (f"; {remedy}" if remedy else "")


def check_installed() -> None:
    """Raises a `UserError` where there is no gcloud, before anything is sent."""
    _installed(["gcloud"])


def _installed(command: list[str]) -> list[str]:
    program = shutil.which("gcloud")
    if program is None:
        raise UserError(f"gcloud is not installed; the package is {PACKAGE}: https://cloud.google.com/sdk/docs/install")
    return [program, *command[1:]]
