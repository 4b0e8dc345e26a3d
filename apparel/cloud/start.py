"""First program of a job on each machine: fetches the snapshot, unpacks it and starts its `apparel.cloud.replica`.

It runs by itself, out of the job's folder in the bucket, and needs Python, git and fsspec with the library of the
bucket's kind; the code of the project comes with the snapshot:

    python -c COMMAND gs://bucket/apparel/jobs/NAME

`COMMAND` is that of `apparel.cloud.submission`.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = 1
"""Of the job's folder; an image that was built long ago still takes this file from the bucket."""


def main(address: str) -> None:
    """Runs the job at an address; ends with its exit status."""
    try:
        project = fetch(address)
    except Exception as error:  # noqa: BLE001 - each store's library has errors of its own
        sys.exit(f"error: {address} cannot be read: {' '.join(str(error).split())[:300] or type(error).__name__}")
    os.chdir(project)
    os.execv(sys.executable, [sys.executable, "-m", "apparel.cloud.replica", address])  # signals reach that one


def fetch(address: str) -> Path:
    """Unpacks the snapshot of the job at an address into a new folder, which it returns."""
    import fsspec

    store, folder = fsspec.url_to_fs(address)
    job = json.loads(store.cat_file(f"{folder}/job.json"))
    if job["version"] != VERSION:
        sys.exit(f"error: {address} is a job of version {job['version']}, not {VERSION}")
    if shutil.which("git") is None:
        sys.exit("error: the image has no git; configs/cloud/Dockerfile makes one that has")
    work = Path(tempfile.mkdtemp(prefix="apparel-job-", dir=os.environ.get("APPAREL_WORK")))
    pack = work / "snapshot.pack"
    store.get_file(f"{folder}/snapshot.pack", str(pack))
    with pack.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != job["sha256"]:
        sys.exit(f"error: {address}/snapshot.pack arrived damaged; submit the job again")
    project = work / "project"
    unpack(pack, project, job["commit"], job["state"])
    pack.unlink()
    print(f"job {job['name']}: commit {job['commit'][:7]} in {project}", flush=True)
    return project


def unpack(pack: Path, project: Path, commit: str, state: str) -> None:
    """Makes a clone of a commit, without the commits before it, with the files of `state` in its index and folder."""
    project.mkdir()
    git(project, "init", "--quiet", "--template=")
    (project / ".git" / "shallow").write_text(f"{commit}\n")
    with pack.open("rb") as file:
        git(project, "index-pack", "--stdin", "--strict", stdin=file, stdout=subprocess.DEVNULL)
    git(project, "checkout", "--quiet", "--detach", commit)
    git(project, "restore", "--source", state, "--staged", "--worktree", ":/")


def git(folder: Path, *arguments: str, **options: object) -> None:
    """Runs git; ends this program with one line where that fails."""
    done = subprocess.run(["git", *arguments], cwd=folder, stderr=subprocess.PIPE, check=False, **options)
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())
        sys.exit(f"error: the snapshot cannot be unpacked: git {arguments[0]}: {said}")


if __name__ == "__main__":
    main(sys.argv[1])
