"""configs/cloud: what SkyPilot, Kubernetes, Slurm and SSH run, run with the variables that each documents.

The job's folder has a `start.py` that prints the machine's rank, size and addresses as `apparel.training.cluster` reads
them. Commands that a machine here lacks (`scontrol`, `srun`, `ssh`) are stand-ins of a few lines.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from apparel.cloud.submission import COMMAND
from tests.support.repository import ROOT

TEMPLATES = ROOT / "configs" / "cloud"

START = """
from apparel.training import cluster
machine = cluster.read()
print(machine.rank, machine.size, *machine.addresses)
"""

STAND_INS = {
    "scontrol": '[ "$1 $2 $3" = "show hostnames node[1-2]" ] && echo node1 && echo node2',
    "srun": 'for rank in 0 1; do SLURM_PROCID=$rank "$@" || exit; done',
    "ssh": 'echo "at $3" && [ "$3" != bad ] && sh -c "$4"',
}

pytestmark = pytest.mark.skipif(os.name == "nt", reason="runs scripts of bash")


@pytest.fixture
def run(tmp_path):
    """Runs a script with these variables; returns its exit status and lines."""
    programs, job = tmp_path / "programs", tmp_path / "a job's folder"
    job.mkdir()
    (job / "start.py").write_text(START, encoding="utf-8")
    programs.mkdir()
    for name, text in STAND_INS.items():
        (programs / name).write_text(f"#!/bin/bash\n{text}\n", encoding="utf-8")
        (programs / name).chmod(0o755)

    def start(*command: str, **variables: str) -> tuple[int, list[str]]:
        path = [str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]
        environment = {"PATH": os.pathsep.join(path), "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
        environment["APPAREL_JOB"] = f"file://{job}"
        done = subprocess.run(
            [part.replace("{JOB}", f"file://{job}") for part in command],
            cwd=tmp_path, env=environment | variables, text=True, capture_output=True, check=False,
        )  # fmt: skip
        return done.returncode, (done.stdout + done.stderr).splitlines()

    return start


def test_every_template_runs_the_command_of_submit():
    for path in TEMPLATES.iterdir():
        if path.name != "Dockerfile":
            assert COMMAND in path.read_text(encoding="utf-8"), path.name


def test_skypilot(run):
    task = YAML(typ="safe").load(TEMPLATES / "skypilot.yaml")
    variables = {"SKYPILOT_NODE_RANK": "1", "SKYPILOT_NUM_NODES": "2", "SKYPILOT_NODE_IPS": "10.0.0.1\n10.0.0.2"}
    assert task["envs"] == {"APPAREL_JOB": None}  # which SkyPilot then asks for
    assert run("bash", "-c", task["run"], **variables) == (0, ["1 2 10.0.0.1 10.0.0.2"])


def test_kubernetes(run):
    service, job = YAML(typ="safe").load_all(TEMPLATES / "kubernetes.yaml")
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert {entry["name"] for entry in container["env"]} == {"APPAREL_JOB", "APPAREL_MACHINES"}
    assert service["metadata"]["name"] == job["spec"]["template"]["spec"]["subdomain"]
    assert job["spec"]["completionMode"] == "Indexed"  # which a limit for each machine needs, as restartPolicy: Never
    assert "backoffLimit" not in job["spec"]
    command = [*container["command"], *container["args"]]
    done = run(*command, JOB_COMPLETION_INDEX="2", APPAREL_MACHINES="3")
    assert done == (0, ["2 3 apparel-0.apparel apparel-1.apparel apparel-2.apparel"])


def test_slurm(run):
    variables = {"SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_NODELIST": "node[1-2]", "SLURM_PROCID": "0"}
    done = run("bash", str(TEMPLATES / "slurm.sh"), **variables)
    assert done == (0, ["0 2 node1 node2", "1 2 node1 node2"])


def test_ssh(run):
    status, lines = run("bash", str(TEMPLATES / "ssh.sh"), "{JOB}", "me@one", "two")
    assert status == 0
    assert sorted(lines) == ["me@one: 0 2 one two", "me@one: at me@one", "two: 1 2 one two", "two: at two"]
    status, lines = run("bash", str(TEMPLATES / "ssh.sh"), "{JOB}", "bad", "two")
    assert status == 1
    assert "two: 1 2 bad two" in lines


def test_without_a_job_or_machines_the_remedy_is_named(run):
    status, lines = run("bash", str(TEMPLATES / "slurm.sh"), APPAREL_JOB="", SLURM_JOB_NUM_NODES="2")
    assert (status, "the address that apparel cloud prepare prints" in lines[-1]) == (1, True)
    for arguments in ((), ("{JOB}",)):
        status, lines = run("bash", str(TEMPLATES / "ssh.sh"), *arguments)
        assert (status, lines[-1].startswith("usage: bash configs/cloud/ssh.sh ADDRESS HOST...")) == (2, True)


def test_the_image_of_jobs_has_git_and_the_locked_packages():
    text = (TEMPLATES / "Dockerfile").read_text(encoding="utf-8")
    server = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    base = next(line for line in server.splitlines() if line.startswith("FROM "))
    assert base in text.splitlines()
    assert "--no-install-recommends git" in text
    assert "pip install --require-hashes --requirement requirements.txt" in text
