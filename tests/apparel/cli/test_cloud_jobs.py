"""`apparel cloud jobs`, `logs`, `cancel` and `fetch`: what they say of jobs in each state."""

import argparse
from contextlib import nullcontext

import pytest

from apparel import cli
from apparel.cloud import gcloud
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
    assert call("logs", "7", log=[]) == "job 7 has written nothing yet\n"


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
    assert "job 7 is told to end" in call("cancel", "projects/demo/locations/us-east1/customJobs/7")
    assert call.asked[-1][-1] == "--region=us-east1"
