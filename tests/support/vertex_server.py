"""Vertex AI's custom jobs and Cloud Logging on this machine: answers to gcloud, replicas as processes.

gcloud itself is the real one. The container image is not used: the container's command runs with this interpreter, in
an empty folder, with the variables that Vertex AI sets. Machines reach each other at ports of this one.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support import servers

PACKAGE = "google-cloud-cli"
"""What has to be installed; Debian and PyPI do not have it."""

needs_gcloud = pytest.mark.skipif(
    shutil.which("gcloud") is None,
    reason=f"gcloud is not installed: package {PACKAGE} of https://cloud.google.com/sdk/docs/install",
)

OUTSIDE = ("CLOUDSDK_", "MLFLOW_", "DVC_", "GIT_", "APPAREL_", "CLUSTER_SPEC", "TF_CONFIG", "AIP_")
"""Variables of the caller that a container would not have."""


class Job:
    """A custom job and its replicas."""

    def __init__(self, server: "VertexServer", number: str, body: dict[str, Any]) -> None:
        self.server, self.number, self.body = server, number, body
        self.state, self.message = "JOB_STATE_PENDING", ""
        self.processes: list[subprocess.Popen] = []
        self.entries: list[dict[str, Any]] = []
        self.thread = threading.Thread(target=self._run, daemon=True)

    def answer(self) -> dict[str, Any]:
        """The resource, as the API gives it."""
        answer = {
            "name": f"projects/12345/locations/{self.server.region}/customJobs/{self.number}",
            "state": self.state,
            "createTime": f"2026-11-28T20:00:{int(self.number) % 60:02d}.000000Z",
            **self.body,
        }
        if self.state in ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"):
            answer["endTime"] = "2026-11-28T21:00:00.000000Z"
        if self.message:
            answer["error"] = {"code": 3, "message": self.message}
        return answer

    def _run(self) -> None:
        pools = [pool for pool in self.body["jobSpec"]["workerPoolSpecs"] if pool]
        hosts = {
            f"workerpool{number}": [f"127.0.0.1:{servers.free_port()}" for _ in range(int(pool["replicaCount"]))]
            for number, pool in enumerate(pools)
        }
        self.state = "JOB_STATE_RUNNING"
        readers = []
        for number, pool in enumerate(pools):
            for index in range(int(pool["replicaCount"])):
                task = f"workerpool{number}-{index}"
                process = self._start(pool["containerSpec"], hosts, number, index)
                self.processes.append(process)
                readers.append(threading.Thread(target=self._read, args=(process, task)))
                readers[-1].start()
        for reader in readers:
            reader.join()
        statuses = [process.wait() for process in self.processes]
        if self.state == "JOB_STATE_CANCELLING":
            self.state = "JOB_STATE_CANCELLED"
        elif any(statuses):
            self.message = (
                f"The replica workerpool{0 if statuses[0] else 1}-0 exited with a non-zero status of "
                f"{next(filter(None, statuses))}. To find out more about why your job exited please check the logs"
            )
            self.state = "JOB_STATE_FAILED"
        else:
            self.state = "JOB_STATE_SUCCEEDED"

    def _start(self, container: dict[str, Any], hosts: dict[str, list[str]], pool: int, index: int) -> subprocess.Popen:
        folder = self.server.folder / self.number / f"{pool}-{index}"
        folder.mkdir(parents=True)
        task = {"type": f"workerpool{pool}", "index": index, "trial": ""}
        roles = {"chief": hosts["workerpool0"]} | ({"worker": hosts["workerpool1"]} if "workerpool1" in hosts else {})
        role = {"type": "worker" if pool else "chief", "index": index}
        environment = {name: value for name, value in os.environ.items() if not name.startswith(OUTSIDE)}
        environment |= self.server.variables | {
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "CLOUD_ML_JOB_ID": self.number,
            "CLUSTER_SPEC": json.dumps({"cluster": hosts, "environment": "cloud", "task": task}),
            "TF_CONFIG": json.dumps({"cluster": roles, "environment": "cloud", "task": role}),
            "AIP_MODEL_DIR": "",
            "AIP_CHECKPOINT_DIR": "",
            "AIP_TENSORBOARD_LOG_DIR": "",
        }
        environment |= {entry["name"]: entry["value"] for entry in container.get("env", [])}
        program, *rest = [*container["command"], *container.get("args", [])]
        assert program == "python"
        return subprocess.Popen(
            [sys.executable, *rest],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _read(self, process: subprocess.Popen, task: str) -> None:
        for line in process.stdout:
            self.entries.append(
                {
                    "insertId": f"{len(self.entries)}-{task}",
                    "logName": f"projects/demo/logs/{task}",
                    "severity": "INFO",
                    "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns() % 10**9:09d}Z",
                    "resource": {"type": "ml_job", "labels": {"job_id": self.number, "task_name": task}},
                    "labels": {"ml.googleapis.com/job_id": self.number, "ml.googleapis.com/trial_id": ""},
                    "jsonPayload": {"message": line.decode(errors="replace").rstrip("\n"), "levelname": "INFO"},
                }
            )

    def cancel(self) -> None:
        """Vertex AI sends SIGTERM first."""
        if self.state in ("JOB_STATE_PENDING", "JOB_STATE_RUNNING"):
            self.state = "JOB_STATE_CANCELLING"
            for process in self.processes:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)


class VertexServer:
    """The service at `address`, with jobs by number; `variables` are in the environment of each container."""

    region = "europe-west4"

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self.folder, self.variables = folder, variables
        self.jobs: dict[str, Job] = {}
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer({})

            def do_POST(self) -> None:
                self._answer(json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}"))

            def _answer(self, body: dict[str, Any]) -> None:
                owner.requests.append((self.command, self.path, body))
                status, answer = owner.answer(self.command, self.path, body)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/"

    def settings(self, folder: Path) -> dict[str, str]:
        """Environment of gcloud: this server, no credentials, and settings of its own."""
        return {
            "CLOUDSDK_CONFIG": str(folder / "gcloud"),
            "CLOUDSDK_CORE_PROJECT": "demo",
            "CLOUDSDK_AI_REGION": self.region,
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
            "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM": self.address,
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING": self.address,
        }

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and body of the answer to a request."""
        parts = urlsplit(path)
        if parts.path == "/v2/entries:list":
            return 200, self._entries(body)
        match = re.fullmatch(r"/v1/projects/demo/locations/([a-z0-9-]+)/customJobs(?:/(\d+))?(:cancel)?", parts.path)
        if not match or match[1] != self.region:
            return 404, {"error": {"code": 404, "message": f"no {parts.path}", "status": "NOT_FOUND"}}
        if match[2] is None and method == "POST":
            return self._create(body)
        if match[2] is None:
            size = int(parse_qs(parts.query).get("pageSize", ["100"])[0])
            return 200, {"customJobs": [job.answer() for job in reversed(list(self.jobs.values()))][:size]}
        if match[2] not in self.jobs:
            message = f"The CustomJob {parts.path.removeprefix('/v1/')} does not exist."
            return 404, {"error": {"code": 404, "message": message, "status": "NOT_FOUND"}}
        job = self.jobs[match[2]]
        if match[3]:
            job.cancel()
            return 200, {}
        return 200, job.answer()

    def _create(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        pools = body["jobSpec"]["workerPoolSpecs"]
        if int(pools[0]["replicaCount"]) != 1:
            message = "The replica count of the first worker pool must be 1."
            return 400, {"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}
        job = self.jobs[number] = Job(self, number := str(7_000_000_001 + len(self.jobs)), body)
        job.thread.start()
        return 200, job.answer()

    def _entries(self, body: dict[str, Any]) -> dict[str, Any]:
        """The entries of the job that the filter names, after the time that it names."""
        condition = body.get("filter", "")
        number = re.search(r'resource\.labels\.job_id="(\d+)"', condition)
        start = re.search(r'timestamp>=?"([^"]+)"', condition)
        job = self.jobs.get(number[1]) if number else None
        entries = [entry for entry in job.entries if not start or entry["timestamp"] > start[1]] if job else []
        if body.get("orderBy") == "timestamp desc":
            entries = entries[::-1]
        return {"entries": entries[: body.get("pageSize", 1000)]}

    def wait(self, number: str) -> Job:
        """The job once it has ended."""
        self.jobs[number].thread.join()
        return self.jobs[number]


@contextmanager
def served(folder: Path, **variables: str) -> Iterator[VertexServer]:
    """The service; at the end all replicas are ended."""
    server = VertexServer(folder, variables)
    threading.Thread(target=server.server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.server.shutdown()
        server.server.server_close()
        for job in server.jobs.values():
            for process in job.processes:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            job.thread.join()
