"""Where a worker trains: a clone of the project for it alone, at the study's snapshot, with the project's DVC cache.

A lock, a stash or an edit of one trial is nothing to another, nor to the project, which gets finished experiments
only: commits under `refs/exps`, where DVC looks for them.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from filelock import FileLock

from apparel import paths
from apparel.sweeps import search_space
from apparel.sweeps.snapshot import Snapshot
from apparel.utils import files, processes
from apparel.versioning import git

if TYPE_CHECKING:
    from dvc.stage import PipelineStage

UNEVALUATED = "not evaluated on test: `dvc repro` does\n"
"""What an experiment has in place of each file that eval makes, so that `dvc exp apply` finds one to bring back."""


class Workspace:
    """A clone in `folder`; the project is the current folder when it is made."""

    def __init__(self, folder: Path, snapshot: Snapshot) -> None:
        self.folder, self.project, self._snapshot = folder.absolute(), Path.cwd(), snapshot

    def make(self) -> None:
        """Makes the clone anew, whatever a killed worker left there."""
        files.remove_tree(self.folder)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        git.output("clone", "--quiet", "--shared", "--no-checkout", "--no-tags", str(self.project), str(self.folder))
        self._git("checkout", "--quiet", "--detach", self._snapshot.commit)
        self._configure()
        self.reset()
        with FileLock(self.folder.parent / "stages.lock"):  # the first worker makes what the others find in the cache
            for step in (["checkout", "--force"], ["repro", "tfrecord"]):  # a trial says what is wrong, if anything
                self.python(
                    "dvc", *step, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                ).wait()

    def reset(self) -> None:
        """Back to the snapshot; what DVC made stays, since it knows whether that still holds."""
        self._git("checkout", "--quiet", "--detach", "--force", self._snapshot.commit)
        self._git("restore", "--source", self._snapshot.state, "--staged", "--worktree", ":/")

    def train(self, values: search_space.Values, log: IO[bytes]) -> subprocess.Popen:
        """Starts the stages up to train with these values of params.yaml, in a process group of its own."""
        self.reset()
        search_space.write(self.folder / paths.PARAMS, values)
        return self.python("dvc", "repro", "train", stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def python(self, *arguments: str, **options: Any) -> subprocess.Popen:
        """Starts `python -m ARGUMENTS` in the clone, in a process group of its own."""
        # Checkpoints and what waits for MLflow are the project's.
        environment = processes.with_this_python(os.environ) | {"DVC_ROOT": str(self.project)}
        return processes.start([sys.executable, "-m", *arguments], cwd=self.folder, env=environment, **options)

    def save(self, name: str, message: str) -> str:
        """Keeps what was trained as a DVC experiment of that name in the project; returns its commit."""
        from dvc.repo.experiments.refs import ExpRefInfo

        self._leave_unevaluated()
        self._git("add", "--all")
        self._git(*_author(), "commit", "--quiet", "--no-verify", "--allow-empty", "--message", message)
        reference = str(ExpRefInfo(self._snapshot.commit, name))
        self._git("push", "--quiet", "--force", "--no-verify", str(self.project), f"HEAD:{reference}")
        return self._git("rev-parse", "HEAD")

    def _leave_unevaluated(self) -> None:
        """Takes away what eval made of another training, if it ran at all; `dvc repro` sees that it is to run.

        DVC's lock then has the stage with outputs, but without anything that it read.
        """
        from dvc.repo import Repo

        with Repo(str(self.folder)) as repo, repo.lock:
            for stage in repo.index.stages:
                if getattr(stage, "name", None) == "eval":  # what a .dvc file tracks has no name
                    _empty(stage)

    def _git(self, *arguments: str) -> str:
        return git.output(*arguments, folder=self.folder)

    def _configure(self) -> None:
        """The project's own settings of DVC, its cache, and links in place of copies."""
        from dvc.config import Config
        from dvc.repo import Repo

        local = self.project / ".dvc" / "config.local"
        if local.exists():
            shutil.copy2(local, self.folder / ".dvc" / "config.local")
        with Repo(str(self.project)) as repo:
            cache = repo.cache.local_cache_dir
        with Config(str(self.folder / ".dvc")).edit("local") as config:
            config["cache"] = {"dir": cache, "type": ["reflink", "hardlink", "symlink"]}


def existing(study: str) -> list[str]:
    """The project's experiments that have names as this study's."""
    listed = git.output("for-each-ref", "--format=%(refname:lstrip=4)", "refs/exps")
    return sorted(name for name in listed.splitlines() if name.startswith(f"{study}-"))


def _empty(stage: "PipelineStage") -> None:
    for out in stage.outs:
        path = Path(out.fs_path)
        out.remove()
        if path.suffix:
            files.write_text(path, UNEVALUATED if out.use_cache else "{}\n")
        else:
            path.mkdir(parents=True)
        out.save()
        out.commit()
    stage.deps = []
    stage.dump(update_pipeline=False)


def _author() -> list[str]:
    """Whom git names as the author in the project; it refuses to commit for nobody."""
    options = []
    for key, otherwise in (("user.name", "apparel sweep"), ("user.email", "sweep@localhost")):
        configured = git.run("config", key).stdout.decode().strip()
        options += ["-c", f"{key}={configured or otherwise}"]
    return options
