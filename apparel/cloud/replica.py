"""The work of one machine of a job: data from DVC's remote, the stages or a command, results to remote and bucket.

    python -m apparel.cloud.replica gs://bucket/apparel/jobs/NAME

It runs in the clone that `apparel.cloud.start` made of the snapshot. Stages that have ended are sent even where a later
one failed: the next job takes them from the run cache.
"""

import json
import os
import subprocess
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from apparel import errors
from apparel.cloud import results
from apparel.errors import UserError
from apparel.sweeps import failure_log
from apparel.tracking.sender_process import LATER_VARIABLE
from apparel.training import cluster
from apparel.utils import addresses, buckets, files, processes
from apparel.utils.buckets import Folder
from apparel.versioning import git

AUTHOR = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "apparel cloud"), ("EMAIL", "cloud@localhost"))
}
"""Of the commits of experiments: a container's user has no name, and git refuses to commit without one."""

TOLD_TO_END = "it was told to end: cancelled, or the machine was taken away"
"""Why work ends that SIGTERM interrupts."""

SECONDS_A_SHARE = 300
"""Between the times that a sweep's trials are sent: a machine that is lost loses no more of them."""

NO_NEWS = "WARNING: No file hash info found for"
"""Start of a line that `dvc pull` writes for each output that nobody has made yet: here the rule, no fault."""


class Replica:
    """The work of this machine.

    Args:
        address: of the job's folder.
        job: its description, from `Job.description`.
        machine: this one among those of the job.
    """

    def __init__(self, address: str, job: dict[str, Any], machine: cluster.Cluster) -> None:
        self._job, self._machine = job, machine
        self._folder = results.machine_folder(address, machine.rank)
        self._lines: deque[str] = deque(maxlen=failure_log.LINES)
        self._attempt, self._shared = 0, time.monotonic()
        self._recorded: set[str] = set()

    def run(self) -> None:
        """Does the work, and leaves what came of it in the bucket.

        Raises:
            UserError: it failed; says why, as the ending in the bucket does.
        """
        for name, value in self._job["variables"].items():
            os.environ.setdefault(name, value)  # Vertex AI sets them, other machines' templates do not
        os.environ.update(self._environment())
        if self._job["task"] != "train":  # whose machines are one cluster
            for name in cluster.VARIABLES:
                os.environ.pop(name, None)
        experiments: dict[str, str] = {}
        failure = self._failure_of(self._begin) or self._failure_of(self._work)
        if not self._helps_the_chief:
            unsent = self._failure_of(lambda: experiments.update(self._share()))
            failure = failure or (unsent and f"its results could not be sent: {unsent}")
        log = "\n".join(self._lines) if failure else ""
        ending = results.Ending(self._machine.rank, failure, log, experiments)
        failure = self._failure_of(lambda: results.write_ending(self._folder, ending), failure) or failure
        if failure:
            raise UserError(failure)

    def _failure_of(self, work: Callable[[], None], before: str = "") -> str:
        """Calls `work`; returns why it failed, whatever it was: the bucket is to say so. Empty where it did not.

        Args:
            work: a part of this machine's work.
            before: an earlier failure, which says more.
        """
        try:
            work()
        except UserError as error:
            return before or str(error)
        except KeyboardInterrupt as stopped:
            return before or str(stopped) or TOLD_TO_END
        except Exception as error:  # noqa: BLE001 - libraries have errors of their own
            for line in traceback.format_exc().splitlines():
                self._log(line)
            return before or f"{type(error).__name__}: {addresses.reason(error)}"
        return ""

    def _begin(self) -> None:
        """Takes up what an attempt before this one left, on a machine that was taken away, but for how it ended."""
        self._attempt = results.attempts(self._folder)
        self._folder.remove([results.END])
        self._configure_dvc()
        results.fetch_experiments(self._folder)

    @property
    def _helps_the_chief(self) -> bool:
        """Whether another machine has the results of what both do."""
        return self._job["task"] == "train" and not self._machine.is_chief

    def _work(self) -> None:
        self._python("dvc", "pull", "--run-cache", "--allow-missing")
        self._recorded = recorded_runs()
        match self._job["task"]:
            case "train" if self._helps_the_chief:
                self._repro("tfrecord")
                if not is_in_run_cache("train"):
                    self._python("stages.train")
            case "train":
                self._repro("train")
                self._share_so_far()
                self._repro()
                self._save_experiment()
            case "eval":
                self._repro("eval")
                self._save_experiment()
            case "sweep":
                self._python("apparel", "sweep", *self._job["arguments"])
            case "predict":
                self._predict(self._job["arguments"])
            case task:
                raise UserError(f"this version of the project has no task '{task}'")

    def _repro(self, *stages: str) -> None:
        """Runs stages; `--pull`, since `dvc pull --run-cache` brings no outputs of runs that dvc.lock does not name."""
        self._python("dvc", "repro", *stages, "--pull")

    def _predict(self, arguments: list[str]) -> None:
        """Detects; the output goes to the bucket as it is made, where the next machine goes on, or is sent at the end.

        Beam's workers write to a folder, and `--out` may name another place in a bucket.
        """
        options = {argument.partition("=")[0] for argument in arguments}
        if "--out" in options:
            self._python("apparel", "predict", *arguments)
            return
        if buckets.is_address(self._folder.address) and "--runner" not in options:
            self._python("apparel", "predict", *arguments, "--out", self._folder.file(results.FOUND))
            return
        out = Path("predictions") / self._job["name"]
        self._python("apparel", "predict", *arguments, "--out", out.as_posix())
        results.send_files(self._folder, out)

    def _share(self) -> dict[str, str]:
        """Sends stages, experiments and runs; returns the experiments."""
        names = results.send_experiments(self._folder, self._job["commit"])
        push(sorted(names.values()), self._recorded)
        results.send_runs(self._folder, self._attempt)
        return names

    def _share_so_far(self) -> None:
        """Sends what is done, should this machine be lost: a training, or the trials of a sweep, which are counted."""
        try:
            self._share()
        except Exception as error:  # noqa: BLE001 - of several libraries; the next time may be better
            print(f"warning: what is done so far is on this machine alone: {addresses.reason(error)}", flush=True)
        self._shared = time.monotonic()

    def _python(self, *arguments: str) -> None:
        """Runs `python -m ARGUMENTS`, whose lines go to the log without passwords.

        Raises:
            UserError: it failed; its last error is the message.
        """
        print(f"+ {' '.join(arguments)}", flush=True)
        self._lines.clear()
        command = [sys.executable, "-m", *arguments]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        with processes.start(command, env=processes.with_this_python(os.environ), **pipes) as process:
            try:
                for line in process.stdout:
                    self._log(line.decode(errors="replace"))
                    if self._job["task"] == "sweep" and time.monotonic() - self._shared >= SECONDS_A_SHARE:
                        self._share_so_far()
            finally:
                if process.poll() is None and sys.exc_info()[0]:
                    processes.end(processes.describe(process.pid))
        if process.returncode:
            said = "\n".join(self._lines)
            signal = failure_log.killing_signal(said, process.returncode)
            reason = f"{signal} ended it, which the system does where memory runs out" if signal else None
            raise UserError(f"`{' '.join(arguments[:2])}` failed: {reason or failure_log.failure_reason(said)}")

    def _log(self, line: str) -> None:
        shown = addresses.without_password(line.rstrip().rsplit("\r", 1)[-1].rstrip())  # of a bar, its last state
        if shown and not shown.startswith(NO_NEWS):
            self._lines.append(shown)
            print(shown, flush=True)

    def _environment(self) -> dict[str, str]:
        variables = dict(AUTHOR)
        if "MLFLOW_TRACKING_URI" not in os.environ:
            variables[LATER_VARIABLE] = "1"  # `apparel cloud fetch` brings the runs home, and sends them from there
        if self._job["task"] in ("train", "eval"):
            variables |= {"DVC_EXP_NAME": self._job["name"], "DVC_EXP_BASELINE_REV": self._job["commit"]}
        return variables

    def _configure_dvc(self) -> None:
        """Makes the job's remote DVC's default; the cache lies in the clone, wherever it may be at home."""
        from configobj import ConfigObj  # as DVC reads it: an address with a comma is two values unless it is quoted

        remote = dict(self._job["remote"])
        name = remote.pop("name")
        sections = {"core": {"remote": name}, "cache": {"dir": "cache"}, f'remote "{name}"': remote}
        lines = ConfigObj(sections).write()
        files.write_text(Path(".dvc", "config.local"), "\n".join(lines) + "\n")

    def _save_experiment(self) -> None:
        """Saves what the stages made as a DVC experiment with the job's name on the commit."""
        from dvc.repo.experiments.refs import ExpRefInfo

        git.output("add", "--all")
        git.output("commit", "--quiet", "--no-verify", "--allow-empty", "--message", self._job["name"])
        git.output("update-ref", str(ExpRefInfo(self._job["commit"], self._job["name"])), "HEAD")


def recorded_runs() -> set[str]:
    """Names of the records in the run cache of this clone."""
    return {path.name for path in Path(".dvc", "cache", "runs").glob("*/*/*")}


def push(experiments: list[str], before: set[str]) -> None:
    """Sends DVC's remote the outputs of the working tree and of experiments, and the run cache.

    Args:
        experiments: their commits.
        before: names of records whose outputs are there.

    Raises:
        UserError: the remote cannot be written.
    """
    from dvc.repo import Repo
    from dvc.stage.cache import RunCacheNotSupported

    print(f"+ dvc push --run-cache, and of {len(experiments)} experiments", flush=True)
    try:
        with Repo() as repo:
            with suppress(RunCacheNotSupported):  # by remotes of HTTP
                # `dvc push --run-cache` sends these records of runs, but not all outputs of theirs: no `cache: false`.
                ran = [run for run in repo.stage_cache.push(None) if run[1] not in before]
                for objects in repo.stage_cache.get_used_objs(ran).values():
                    repo.cloud.push(objects)
            repo.push(revs=experiments or None)
    except Exception as error:  # noqa: BLE001 - DVC's own, or that of the store's library
        raise UserError(f"`dvc push` failed: {addresses.reason(error)}") from None


def is_in_run_cache(stage: str) -> bool:
    """Whether `dvc repro` would not run a stage, here as on the chief; restores its outputs then."""
    from dvc.repo import Repo
    from dvc.stage.cache import RunCacheNotFoundError

    with Repo() as repo, repo.lock:
        loaded = repo.stage.load_one(name=stage)
        if not loaded.changed():
            return True
        try:
            repo.stage_cache.restore(loaded, pull=bool(repo.config["core"].get("remote")))
        except RunCacheNotFoundError:
            return False
    return True


def main() -> None:
    """Does the work of this machine of the job whose folder is the argument."""
    processes.interrupt_on_termination()
    address = sys.argv[1]
    job = json.loads(Folder(address).read("job.json", results.MAX_TEXT_BYTES))
    Replica(address, job, cluster.read()).run()


if __name__ == "__main__":
    errors.run(main)
