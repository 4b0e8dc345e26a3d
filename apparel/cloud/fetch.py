"""Results of a job brought home: DVC experiments and outputs, runs for MLflow, predictions; nothing is trained here."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apparel.cloud import jobs, results, snapshot, submission
from apparel.cloud.results import Ending
from apparel.errors import UserError, some_of
from apparel.tracking.outbox import Outbox, find_outbox
from apparel.tracking.resend import move
from apparel.tracking.sender import Sender, problem
from apparel.tracking.server import server_address
from apparel.utils import addresses
from apparel.utils.buckets import Folder
from apparel.versioning import git


@dataclass(frozen=True)
class Fetched:
    """What came.

    Attributes:
        experiments: names of DVC experiments.
        applied: the experiment whose results are in the working tree now, if one's are.
        why_not: why none are, where the job made results of one experiment.
        runs: how many runs MLflow got.
        waiting: why runs wait in this clone, if some do.
        predictions: their folders.
        failure: why machines failed, if some did.
    """

    experiments: list[str]
    applied: str | None
    why_not: str
    runs: int
    waiting: str
    predictions: list[Path]
    failure: str = ""

    def lines(self) -> list[str]:
        """What to tell the user."""
        lines = [f"experiments: {some_of(self.experiments, 5)}"] if self.experiments else []
        lines += [f"predictions: {folder.as_posix()}/index.html" for folder in self.predictions]
        if self.runs:
            lines.append(f"{self.runs} {'run is' if self.runs == 1 else 'runs are'} in MLflow")
        if self.waiting:
            lines.append(f"runs wait in this clone: {self.waiting}; apparel sync sends them")
        if self.applied:
            lines.append("the results are in the working tree, and `dvc repro` finds nothing to do; `apparel results`")
        elif self.why_not:
            lines.append(f"the working tree stays as it is: {self.why_not}; dvc exp apply {self.experiments[0]}")
        if self.failure:
            lines.append(f"not all of it: {self.failure}")
        return lines or ["the job made nothing that is not here"]


def fetch(address: str) -> Fetched:
    """Brings the results of the job in that folder.

    Raises:
        UserError: the job has not ended, failed and made nothing, or its results do not arrive whole.
    """
    address = Folder(address).address
    job = _description(address)
    endings = results.read_endings(address)
    if not endings:
        raise UserError(f"{address} has no results yet; the job still runs, or its machine was lost")
    if git.commit(job["commit"]) is None:
        raise UserError(f"this clone does not have commit {job['commit'][:7]}, of which the job is; `git fetch`")
    experiments: dict[str, str] = {}
    new_runs, predictions = [], []
    for ending in endings:
        folder = results.machine_folder(address, ending.rank)
        results.fetch_experiments(folder)
        experiments |= ending.experiments
        new_runs += results.fetch_runs(folder)
        target = Path("predictions") / job["name"]
        if results.fetch_files(folder, target):
            predictions.append(target)
    runs, waiting = deliver(new_runs)
    if experiments:
        fetch_outputs(sorted(experiments.values()), job["remote"])
    applied, why_not = None, ""
    if job["task"] in ("train", "eval") and job["name"] in experiments:
        why_not = apply(job, experiments[job["name"]])
        applied = None if why_not else job["name"]
    failures = [ending for ending in endings if ending.failure]
    if failures and not experiments and not predictions:
        raise UserError(failure_text(failures))
    failure = failure_text(failures) if failures else ""
    return Fetched(sorted(experiments), applied, why_not, runs, waiting, predictions, failure)


def failure_text(failures: Sequence[Ending]) -> str:
    """Why machines failed, with the last lines of the log of the first that did not fail since another one did."""
    first = next((ending for ending in failures if jobs.LOST not in ending.failure), failures[0])
    others = f" (as did {len(failures) - 1} more machines)" if len(failures) > 1 else ""
    tail = "".join(f"\n    {jobs.shown(line)}" for line in first.log.splitlines())
    failure = jobs.shown(" ".join(first.failure.split()))
    return f"the job failed: {failure}{others}" + (f"; the last lines of its log:{tail}" if tail else "")


def deliver(runs: list[str]) -> tuple[int, str]:
    """Sends runs that came to MLflow; returns how many it has now, and why others wait."""
    delivered: set[str | None] = set()  # several machines may have added to one run
    waiting = ""
    steps = (_address, lambda outbox: Sender(outbox).send())  # all are addressed first: some are shown under others
    for step in steps:
        delivered.clear()
        for outbox in filter(None, map(find_outbox, runs)):
            try:
                step(outbox)
                delivered.add(outbox.sent()[0])
            except Exception as error:  # noqa: BLE001 - whatever MLflow's client raises: the results are here
                waiting = problem(outbox, error)
    return len(delivered), waiting


def _address(outbox: Outbox) -> None:
    """Lets a run go to the server in use here, unless the job reached one itself."""
    if outbox.sent()[0] is None:
        move(outbox, server_address())


def fetch_outputs(revisions: list[str], remote: dict[str, str]) -> None:
    """Brings the outputs of experiments, and the run cache, from DVC's remote into the cache here.

    Raises:
        UserError: the remote does not have all of them, or cannot be read.
    """
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            known = remote["name"] in repo.config["remote"]
            repo.fetch(revs=revisions, workspace=False, run_cache=True, remote=remote["name"] if known else None)
    except Exception as error:  # noqa: BLE001 - DVC's own, or that of the store's library
        raise UserError(f"`dvc fetch` failed: {addresses.reason(error)}") from None


def apply(job: dict[str, Any], revision: str) -> str:
    """Takes a job's results into the working tree, if the files here are those that the job had; else says why not.

    Raises:
        UserError: DVC cannot place an output, such as where one that is here is nowhere else.
    """
    with snapshot.taken() as now:
        here = set(snapshot.differing_files(job["commit"], now.state, now.objects))
        differing = sorted(
            name
            for name in here | set(snapshot.differing_files(job["commit"], revision))
            if snapshot.entry(now.state, name, now.objects) != snapshot.entry(revision, name)
        )
        present = now.generated()
    if now.commit != job["commit"]:
        return f"HEAD is another commit than {job['commit'][:7]}, of which the job is"
    if differing:
        return f"{some_of(differing, 3)} changed since the job was submitted"
    made = snapshot.generated_files(revision)
    written = sorted(name for name in made if made[name] != present.get(name))
    anew = [name for name in written if present.get(name) != job["generated"].get(name)]
    if anew:
        return f"{some_of(anew, 3)} was made anew here since"
    if written:
        git.output("--literal-pathspecs", "restore", f"--source={revision}", "--worktree", "--", *written)
    _checkout()
    return ""


def _checkout() -> None:
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            repo.checkout()
    except Exception as error:  # noqa: BLE001 - DVC's own, or that of a file
        raise UserError(f"`dvc checkout` failed: {addresses.reason(error)}") from None


def _description(address: str) -> dict[str, Any]:
    try:
        job = json.loads(Folder(address).read("job.json", results.MAX_TEXT_BYTES))
        missing = {"name", "task", "commit", "state", "remote", "generated"} - job.keys()
    except (ValueError, AttributeError):
        missing = {"JSON"}
    if missing:
        raise UserError(f"{address}/job.json is damaged: it has no {sorted(missing)[0]}")
    if not all(results.COMMIT.fullmatch(str(job[key])) for key in ("commit", "state")):
        raise UserError(f"{address}/job.json is damaged: its commit is none")
    if not isinstance(job["generated"], dict) or not isinstance(job["remote"], dict) or "name" not in job["remote"]:
        raise UserError(f"{address}/job.json is damaged: it does not describe DVC's remote or the files of stages")
    submission.checked_name(str(job["name"]))
    return job
