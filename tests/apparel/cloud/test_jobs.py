"""Jobs as gcloud describes them, and why one failed. With the real gcloud: tests/end_to_end/test_cloud.py."""

import pytest

from apparel.cloud import gcloud, jobs, submission
from apparel.errors import UserError

DESCRIBED = {
    "name": "projects/1/locations/europe-west4/customJobs/77",
    "displayName": "train-1",
    "state": "JOB_STATE_FAILED",
    "createTime": "2026-11-28T20:00:00.123Z",
    "labels": {"apparel": "train"},
    "error": {"code": 3, "message": "The replica workerpool0-0 exited with a non-zero status of 1."},
    "jobSpec": {
        "workerPoolSpecs": [
            {
                "machineSpec": {"machineType": "n1-standard-8"},
                "replicaCount": "1",
                "containerSpec": {"command": ["python", "-c", submission.COMMAND], "args": ["gs://b/jobs/train-1"]},
            },
            {"machineSpec": {"machineType": "n1-standard-8"}, "replicaCount": "3"},
        ]
    },
}


def entry(text: str) -> dict:
    return {"jsonPayload": {"message": text, "levelname": "ERROR"}, "logName": "projects/demo/logs/workerpool0-0"}


def test_a_job_is_one_line_and_knows_its_folder():
    job = jobs.parse(DESCRIBED)
    assert (job.number, job.state, job.folder) == ("77", "failed", "gs://b/jobs/train-1")
    assert job.line().split() == ["77", "failed", "2026-11-28T20:00:00", "4", "x", "n1-standard-8", "train-1"]


def test_a_job_of_another_kind_has_no_folder_and_a_new_state_is_shown_as_it_is():
    other = jobs.parse({"name": DESCRIBED["name"], "state": "JOB_STATE_NEW"})
    assert (other.folder, other.state, other.task) == (None, "job_state_new", "")
    name = DESCRIBED["name"]
    for damaged in (
        {}, [], None, "x", {"name": 1}, {"name": name, "jobSpec": []}, {"name": name, "createTime": 7},
        {"name": name, "labels": []}, {"name": name, "error": "x"}, {"name": name, "displayName": None},
    ):  # fmt: skip
        with pytest.raises(UserError, match="in a form that this version does not know"):
            jobs.parse(damaged)
    with pytest.raises(UserError, match="is no job"):
        jobs.parse({"name": "projects/1/locations/europe-west4/customJobs/7;x"})


def test_nothing_that_a_server_says_moves_the_cursor():
    hostile = jobs.parse(
        DESCRIBED | {"displayName": "a\x1b[2J", "createTime": "\r2026", "error": {"message": "b\x1b]0;"}}
    )
    machine = DESCRIBED | {"jobSpec": {"workerPoolSpecs": [{"machineSpec": {"machineType": "n1\x07"}}]}}
    for text in (hostile.line(), hostile.message, jobs.parse(machine).line()):
        assert text.isprintable()


def test_what_is_no_list_has_no_jobs_and_no_lines(monkeypatch):
    for answer in ({"a": 1}, 7, None, "text", [None, 7, "x"]):
        monkeypatch.setattr(gcloud, "run_json", lambda command, answer=answer: answer)
        assert jobs.log("77") == []
    monkeypatch.setattr(gcloud, "run_json", lambda command: {"a": 1})
    assert jobs.listed(None, 5) == []


def of_machine(machine: str, text: str) -> dict:
    return {"resource": {"labels": {"task_name": machine}}, "textPayload": text}


def test_lines_of_several_machines_name_theirs(monkeypatch):
    entries = [of_machine("service", "Job failed."), of_machine("workerpool1-0", "b"), of_machine("workerpool0-0", "a")]
    monkeypatch.setattr(gcloud, "run_json", lambda command: entries)
    assert jobs.log("77") == ["workerpool0-0: a", "workerpool1-0: b", "service: Job failed."]
    del entries[1]
    assert jobs.log("77") == ["a", "Job failed."]


def test_the_reason_is_that_of_the_machine_that_failed_first(monkeypatch):
    lost = f"error: {jobs.LOST} 0 of 2 ends; start the training again"
    newest_first = [
        of_machine("workerpool0-0", lost),
        of_machine("workerpool1-0", "error: no space left"),
        entry("+ dvc"),
    ]
    monkeypatch.setattr(gcloud, "run_json", lambda command: newest_first)
    text = jobs.failure(jobs.parse(DESCRIBED))
    assert text.startswith("job 77 failed: no space left; the last lines of its log:\n    + dvc\n    error: no space")
    del newest_first[1]
    assert jobs.failure(jobs.parse(DESCRIBED)).startswith(f"job 77 failed: {jobs.LOST} 0 of 2 ends")


def test_why_a_job_failed_is_its_own_error_with_the_last_lines(monkeypatch):
    lines = ["error: `dvc repro` failed: ValueError: no boxes", "Traceback, of https://me:word@host/", "+ dvc repro"]
    asked = []
    monkeypatch.setattr(gcloud, "run_json", lambda command: asked.append(command) or [*map(entry, lines), {"x": 1}])
    text = jobs.failure(jobs.parse(DESCRIBED))
    assert text.splitlines() == [
        "job 77 failed: `dvc repro` failed: ValueError: no boxes; the last lines of its log:",
        "    + dvc repro",
        "    Traceback, of https://host/",
        "    error: `dvc repro` failed: ValueError: no boxes",
    ]
    assert 'resource.labels.job_id="77"' in asked[0][3]


def test_a_job_without_a_log_has_the_reason_of_vertex_ai(monkeypatch):
    monkeypatch.setattr(gcloud, "run_json", lambda command: [])
    text = jobs.failure(jobs.parse(DESCRIBED))
    assert text.startswith(
        "job 77 failed: The replica workerpool0-0 exited with a non-zero status of 1.; it left no log"
    )


def test_lines_of_a_log_are_those_of_its_entries_oldest_first(monkeypatch):
    entries = [{"textPayload": "two\nthree"}, {"textPayload": "one\x1b[2J"}, {"jsonPayload": None}]
    monkeypatch.setattr(gcloud, "run_json", lambda command: entries)
    assert jobs.log("77") == ["one?[2J", "two", "three"]
