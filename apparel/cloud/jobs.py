"""Jobs in Vertex AI: listed, described, cancelled, and their logs, all through gcloud."""

import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from apparel.cloud import gcloud, submission
from apparel.errors import UserError, plain
from apparel.sweeps import failure_log
from apparel.utils import addresses, buckets

STATES = {
    "JOB_STATE_QUEUED": "queued",
    "JOB_STATE_PENDING": "pending",
    "JOB_STATE_RUNNING": "running",
    "JOB_STATE_SUCCEEDED": "succeeded",
    "JOB_STATE_FAILED": "failed",
    "JOB_STATE_CANCELLING": "cancelling",
    "JOB_STATE_CANCELLED": "cancelled",
    "JOB_STATE_PAUSED": "paused",
    "JOB_STATE_EXPIRED": "expired",
}
"""What is shown of JobState of Vertex AI's API, v1."""

ENDED = ("succeeded", "failed", "cancelled", "expired")

LOG_LINES = 1000
"""Lines that `logs` shows without `--follow`, the last ones."""

LINE_CHARACTERS = 1000
"""Of a line of a log, or of an error: the rest is cut."""

LOST = "a machine is lost, so machine"
"""In the error of those that end since another one did (`apparel.training.replicas`); the reason is that one's."""

POLLING_SECONDS = 5
"""Of `gcloud ai custom-jobs stream-logs`; its own default is a minute."""

SECONDS_BETWEEN_LOOKS = 15
"""At the state of a job whose log is followed; each look starts gcloud, which takes a second of the processor."""

SECONDS_OF_LAST_LINES = 3 * POLLING_SECONDS
"""How long the log goes on after the job has ended: lines arrive in Cloud Logging some seconds late."""


@dataclass(frozen=True)
class JobStatus:
    """A job as Vertex AI describes it.

    Attributes:
        number: of the job.
        name: that of its folder.
        state: a value of `STATES`.
        task: of `submission.TASKS`; empty for a job that is not of this project's kind.
        created: UTC, ISO 8601.
        machines: how many, and their type.
        message: why it failed, by Vertex AI.
        folder: its address in the bucket; None for a job that is not of this project's kind.
    """

    number: str
    name: str
    state: str
    task: str
    created: str
    machines: str
    message: str
    folder: str | None

    def line(self) -> str:
        """One line of a list."""
        return f"{self.number:<20} {self.state:<10} {self.created[:19]:<19} {self.machines:<22} {self.name}"


def parse(job: dict[str, Any]) -> JobStatus:
    """A job from the JSON of gcloud.

    Raises:
        UserError: it is not the description of a job.
    """
    try:
        pools = job.get("jobSpec", {}).get("workerPoolSpecs", [])
        container = pools[0].get("containerSpec", {}) if pools else {}
        ours = submission.COMMAND in container.get("command", []) and len(container.get("args", [])) == 1
        count = sum(int(pool.get("replicaCount", 1)) for pool in pools)
        kind = plain(pools[0].get("machineSpec", {}).get("machineType", "")) if pools else ""
        return JobStatus(
            number=gcloud.parse_job(job["name"])[0],
            name=plain(job.get("displayName", "")),
            state=STATES.get(job.get("state", ""), plain(job.get("state", "unknown")).lower()),
            task=plain(job.get("labels", {}).get(submission.LABEL, "")),
            created=plain(job.get("createTime", "")),
            machines=f"{count} x {kind}" if kind else "",
            message=shown(addresses.without_password(" ".join(job.get("error", {}).get("message", "").split()))),
            folder=buckets.checked(container["args"][0]) if ours else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise UserError("gcloud described a job in a form that this version does not know") from None


def describe(number: str, region: str | None) -> JobStatus:
    """The job with that number.

    Raises:
        UserError: gcloud has no such job, or fails.
    """
    return parse(gcloud.run_json(gcloud.custom_jobs("describe", number, region=region)))


def listed(region: str | None, limit: int) -> list[JobStatus]:
    """The last jobs that `apparel cloud submit` created, newest first."""
    options = (f"--filter=labels.{submission.LABEL}:*", "--sort-by=~createTime", f"--limit={limit}")
    return [parse(job) for job in _answers(gcloud.custom_jobs("list", *options, region=region))]


def cancel(number: str, region: str | None) -> JobStatus:
    """Asks Vertex AI to end a job, unless it has ended; stages that have ended are kept. Returns the job before.

    gcloud says of a job that has ended, too, that its end is asked for.
    """
    job = describe(number, region)
    if job.state not in ENDED:
        gcloud.run(gcloud.custom_jobs("cancel", number, region=region))
    return job


def follow(number: str, region: str | None) -> JobStatus:
    """Shows the log of a job as it grows, until the job has ended; returns how it ended.

    gcloud 528 reads only when it starts whether the job has ended, and would stream for ever: so this ends it.
    """
    options = ("--allow-multiline-logs", f"--polling-interval={POLLING_SECONDS}")
    with gcloud.started(gcloud.custom_jobs("stream-logs", number, *options, region=region)) as stream:
        while (job := describe(number, region)).state not in ENDED:
            with suppress(subprocess.TimeoutExpired):
                if stream.wait(SECONDS_BETWEEN_LOOKS):
                    raise UserError("gcloud stopped streaming the log, see above; the job is not affected")
        with suppress(subprocess.TimeoutExpired):
            stream.wait(SECONDS_OF_LAST_LINES)
    return job


def log(number: str, lines: int = LOG_LINES) -> list[str]:
    """The last lines that machines of a job wrote, oldest first, without passwords; of several machines with whose."""
    found = _lines(number, lines)
    machines = {machine for machine, _ in found if machine.startswith("workerpool")}
    return [f"{machine}: {text}" if machine and len(machines) > 1 else text for machine, text in found]


def failure(job: JobStatus) -> str:
    """Why a job failed, on one line: its own error, which says more, before that of Vertex AI.

    Machines that train one model end once one of them fails: the reason is that of the machine that failed first.
    """
    texts = [text for _, text in _lines(job.number, failure_log.LINES)]
    own = [line.removeprefix("error: ") for line in texts if line.startswith("error: ")]
    first = [line for line in own if LOST not in line] or own
    reason = first[-1] if first else job.message or (failure_log.failure_reason("\n".join(texts)) if texts else "")
    tail = "".join(f"\n    {line}" for line in texts)
    return f"job {job.number} {job.state}: {reason or 'Vertex AI gives no reason'}" + (
        f"; the last lines of its log:{tail}" if texts else f"; it left no log: apparel cloud logs {job.number}"
    )


def _lines(number: str, entries: int) -> list[tuple[str, str]]:
    """Machine and text of each line of the last entries of a job's log, oldest first, without passwords."""
    condition = f'resource.type="ml_job" AND resource.labels.job_id="{number}"'
    options = ("--freshness=60d", "--order=desc", f"--limit={entries}")
    found = reversed(_answers(["gcloud", "logging", "read", condition, *options]))
    return [(_machine(entry), text) for entry in found if isinstance(entry, dict) for text in _texts(entry)]


def _answers(command: list[str]) -> list[Any]:
    """What gcloud lists; nothing where its answer is no list."""
    answer = gcloud.run_json(command)
    return answer if isinstance(answer, list) else []


def _machine(entry: dict[str, Any]) -> str:
    """Who wrote an entry, such as workerpool0-0; empty where it does not say."""
    try:
        return plain(entry["resource"]["labels"]["task_name"])
    except (KeyError, TypeError):
        return ""


def _texts(entry: dict[str, Any]) -> list[str]:
    payload = entry.get("jsonPayload")
    message = payload.get("message", "") if isinstance(payload, dict) else entry.get("textPayload", "")
    lines = addresses.without_password(str(message)).splitlines()
    return [shown(line) for line in lines if line.strip()]


def shown(text: str) -> str:
    """A line of others as it may go to a terminal: as `plain`, and longer."""
    return "".join(character if character.isprintable() else "?" for character in text[:LINE_CHARACTERS])
