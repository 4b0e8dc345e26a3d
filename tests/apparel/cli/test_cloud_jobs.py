"""`apparel cloud jobs`, `logs`, `cancel` and `fetch`: what they say of jobs in each state."""

import argparse
from contextlib import nullcontext

import pytest

from apparel import cli
from apparel.cloud import gcloud, jobs
from apparel.errors import UserError
from tests.support.cloud_project import described


class Stream:
    """gcloud as it streams a log."""

    def wait(self, seconds: float) -> int:
        return 0


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs `apparel cloud ARGUMENTS`, where gcloud's answers are those given; returns what it prints."""

    def run(*arguments: str, **answers) -> str:
        asked = []

        def answer(command: list[str]):
            asked.append(command)
            return answers[command[3] if command[1] == "ai" else "log"]

        monkeypatch.setattr(gcloud, "run_json", answer)
        monkeypatch.setattr(gcloud, "run", lambda command: asked.append(command) or "")
        monkeypatch.setattr(gcloud, "started", lambda command: nullcontext(Stream()))
        parser = argparse.ArgumentParser(prog="apparel cloud")
        command = cli.configure(parser, "cloud")
        command.main(parser.parse_args(arguments))
        run.asked = asked
        return capsys.readouterr().out

    return run


def test_a_list_of_jobs_or_how_to_make_one(call):
    assert call("jobs", list=[]) == "no jobs; `apparel cloud submit` makes one\n"
    lines = call("jobs", list=[described("2"), described("1", "JOB_STATE_RUNNING")]).splitlines()
    assert [line.split()[:2] for line in lines] == [["2", "succeeded"], ["1", "running"]]


def test_a_log_and_that_there_is_none_yet(call):
    assert call("logs", "7", log=[{"textPayload": "one"}]) == "one\n"
    queued = described("7", "JOB_STATE_PENDING")
    assert call("logs", "7", log=[], describe=queued) == "job 7 is pending, and has written nothing\n"


def test_a_job_that_there_is_not_has_no_log(call, monkeypatch):
    def refuse(number: str, region: str | None) -> None:
        raise UserError(f"gcloud: there is no job {number} in {region}")

    monkeypatch.setattr(jobs, "describe", refuse)
    for command in (("logs", "8"), ("cancel", "8")):
        with pytest.raises(UserError, match="there is no job 8 in us-east1"):
            call(*command, "--region", "us-east1", log=[])


def test_a_log_that_is_followed_ends_with_what_comes_next(call):
    assert call("logs", "7", "--follow", describe=described("7")) == (
        "job 7 succeeded; its results: apparel cloud fetch 7\n"
    )
    failed = described("7", "JOB_STATE_FAILED")
    with pytest.raises(
        UserError, match="job 7 failed: out of memory; the last lines of its log:\n    error: out of mem"
    ):
        call("logs", "7", "--follow", describe=failed, log=[{"textPayload": "error: out of memory"}])


def test_a_job_that_runs_or_failed_or_is_of_others_is_not_fetched(call):
    with pytest.raises(UserError, match="job 7 is running; `apparel cloud logs 7 --follow` waits"):
        call("fetch", "7", describe=described("7", "JOB_STATE_RUNNING"))
    with pytest.raises(UserError, match="job 7 cancelled: Vertex AI gives no reason; it left no log"):
        call("fetch", "7", describe=described("7", "JOB_STATE_CANCELLED"), log=[])
    other = described("7")
    other["jobSpec"]["workerPoolSpecs"][0]["containerSpec"]["command"] = ["sh"]
    with pytest.raises(UserError, match="was not made by `apparel cloud submit`"):
        call("fetch", "7", describe=other)


def test_cancel_takes_the_region_of_a_full_name(call):
    running = described("7", "JOB_STATE_RUNNING")
    assert "job 7 is told to end" in call("cancel", "projects/demo/locations/us-east1/customJobs/7", describe=running)
    assert (call.asked[-1][3], call.asked[-1][-1]) == ("cancel", "--region=us-east1")


@pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"])
def test_a_job_that_has_ended_is_not_told_to_end(call, state):
    assert call("cancel", "7", describe=described("7", f"JOB_STATE_{state}")) == (
        f"job 7 has ended before: {state.lower()}\n"
    )
    assert [command[3] for command in call.asked] == ["describe"]


@pytest.mark.parametrize("limit", ["0", "-1", "x"])
def test_a_list_of_none_is_refused_by_its_option(call, limit, capsys):
    with pytest.raises(SystemExit):
        call("jobs", "--limit", limit)
    assert "--limit" in capsys.readouterr().err
