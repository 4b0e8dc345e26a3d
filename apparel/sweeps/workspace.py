"""Workspace of a worker: its own clone of the project at the study's snapshot, with the project's DVC cache.

So neither locks nor edits of one trial disturb another one or the project. The project gets only finished trials: git
commits under `refs/exps`, where DVC keeps its experiments.

Ours in place of `dvc exp run --temp` and `dvc queue`, which have no hook for pruning; and after a kill -9 DVC
keeps listing the experiment as running.
"""

import os
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from filelock import FileLock

from apparel import paths
from apparel.sweeps import forked_training, search_space
from apparel.sweeps.forked_training import ForkedProcess, ForkServer
from apparel.sweeps.snapshot import Snapshot
from apparel.utils import files, processes
from apparel.versioning import git

if TYPE_CHECKING:
    from dvc.stage import PipelineStage

UNEVALUATED = "not evaluated on test: `dvc repro` does\n"
"""Content of eval's output files in an experiment, since `dvc exp apply` needs all outputs of the pipeline."""


class Workspace:
    """The clone in `folder`; the project is the current folder of the process that creates this."""

    def __init__(self, folder: Path, snapshot: Snapshot) -> None:
        self.folder, self.project, self._snapshot = folder.absolute(), Path.cwd(), snapshot
        self._fork_server: ForkServer | None = None

    def create(self) -> None:
        """Creates the clone, in place of what a killed worker left there."""
        files.remove_tree(self.folder)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        git.output("clone", "--quiet", "--shared", "--no-checkout", "--no-tags", str(self.project), str(self.folder))
        # git shares no objects of a shallow clone, as a job has one: the uncommitted changes are under no branch.
        objects = Path(git.output("rev-parse", "--git-path", "objects")).absolute()
        files.write_text(self.folder / ".git" / "objects" / "info" / "alternates", f"{objects}\n")
        self._git("checkout", "--quiet", "--detach", self._snapshot.commit)
        self._configure()
        self.reset()
        # One worker after the other: the first runs the stages, the others get their outputs from the cache. Errors
        # are left to the trials, which run the stages again and report them.
        silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with FileLock(self.folder.parent / "stages.lock"):
            self.python("dvc", "checkout", "--force", **silent).wait()
            self.python("dvc", "repro", "tfrecord", **silent).wait()

    def reset(self) -> None:
        """Restores the files of the snapshot; DVC's outputs stay, since DVC knows whether they are up to date."""
        self._git("checkout", "--quiet", "--detach", "--force", self._snapshot.commit)
        self._git("restore", "--source", self._snapshot.state, "--staged", "--worktree", ":/")

    def close(self) -> None:
        """Ends the process that keeps TensorFlow imported for the trainings of this workspace."""
        if self._fork_server is not None:
            self._fork_server.close()
            self._fork_server = None

    def train(self, values: search_space.Values, log: IO[bytes]) -> subprocess.Popen | ForkedProcess:
        """Starts the stages up to train with these values in params.yaml, in a process group of its own."""
        self.reset()
        search_space.write_params(self.folder / paths.PARAMS, values)
        if forked_training.AVAILABLE:
            if self._fork_server is None:
                self._fork_server = ForkServer("stages.train", cwd=self.folder, env=self._environment())
            process = self._fork_server.run_dvc(["repro", "train"], self._environment(), Path(log.name))
            if process is not None:
                return process
            self.close()  # the next training has a new one
        return self.python("dvc", "repro", "train", stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def repro(
        self, values: search_space.Values, log: IO[bytes], variables: dict[str, str]
    ) -> AbstractContextManager[subprocess.Popen]:
        """Starts the stages up to eval with these values in params.yaml; they end with the block, or with this process.

        Args:
            values: by dotted name.
            log: where their output goes.
            variables: added to the environment.
        """
        self.reset()
        search_space.write_params(self.folder / paths.PARAMS, values)
        command = [sys.executable, "-m", "dvc", "repro", "eval"]
        options = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": subprocess.STDOUT}
        return processes.guarded(command, cwd=self.folder, env=self._environment() | variables, **options)

    def python(self, *arguments: str, **options: Any) -> subprocess.Popen:
        """Starts `python -m ARGUMENTS` in the clone, in a process group of its own."""
        command = [sys.executable, "-m", *arguments]
        return processes.start(command, cwd=self.folder, env=self._environment(), **options)

    def _environment(self) -> dict[str, str]:
        # `DVC_ROOT`: checkpoints and unsent runs are kept in the project.
        return processes.with_this_python(os.environ) | {"DVC_ROOT": str(self.project)}

    def save(self, name: str, message: str, evaluated: bool = False) -> str:
        """Saves the training as a DVC experiment of that name in the project; returns its commit.

        Args:
            name: of the experiment.
            message: of its commit.
            evaluated: whether the stage eval ran, too.
        """
        from dvc.repo.experiments.refs import ExpRefInfo

        if not evaluated:
            self._reset_eval()
        self._git("add", "--all")
        self._git(*_author_options(), "commit", "--quiet", "--no-verify", "--allow-empty", "--message", message)
        reference = str(ExpRefInfo(self._snapshot.commit, name))
        self._git("push", "--quiet", "--force", "--no-verify", str(self.project), f"HEAD:{reference}")
        return self._git("rev-parse", "HEAD")

    def _reset_eval(self) -> None:
        """Replaces the outputs of eval, which belong to another training, by placeholders.

        The stage's entry in dvc.lock then has outputs but no dependencies, so that `dvc repro` runs it.
        """
        from dvc.repo import Repo

        with Repo(str(self.folder)) as repo, repo.lock:
            for stage in repo.index.stages:
                if getattr(stage, "name", None) == "eval":  # stages of .dvc files have no name
                    _write_placeholders(stage)

    def _git(self, *arguments: str) -> str:
        return git.output(*arguments, folder=self.folder)

    def _configure(self) -> None:
        """Copies the project's DVC settings, and uses its cache, by links in place of copies.

        Ours in place of `dvc.config.Config.edit`, which writes ASCII only and fails on a path such as `/home/zoë`.
        """
        from configobj import ConfigObj
        from dvc.repo import Repo

        with Repo(str(self.project)) as repo:
            cache = Path(repo.cache.local_cache_dir)
        if cache.is_relative_to(self.project):
            cache = Path(os.path.relpath(cache, self.folder / ".dvc"))
        local, own = (folder / ".dvc" / "config.local" for folder in (self.project, self.folder))
        lines = local.read_text(encoding="utf-8").splitlines() if local.exists() else []
        config = ConfigObj(lines, encoding="utf-8")
        config["cache"] = {"dir": cache.as_posix(), "type": ["reflink", "hardlink", "symlink"]}
        with own.open("wb") as file:
            config.write(file)


def study_folder(study: str) -> Path:
    """Folder of a study on this machine: its workers' clones, logs, messages and the report."""
    return paths.LOCAL / "sweeps" / study


def trial_folder(study: Path, trial: int) -> Path:
    """Folder of a trial's log and messages, given the study's folder."""
    return study / "trials" / f"{trial:03d}"


def experiment_name(study: str, trial: int) -> str:
    """Name of a trial's DVC experiment, such as `sweep-003`."""
    return f"{study}-{trial:03d}"


def existing_experiments(study: str) -> list[str]:
    """The project's DVC experiments whose names begin with the study's."""
    listed = git.output("for-each-ref", "--format=%(refname:lstrip=4)", "refs/exps")
    return sorted(name for name in listed.splitlines() if name.startswith(f"{study}-"))


def _write_placeholders(stage: "PipelineStage") -> None:
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


def _author_options() -> list[str]:
    """Author options for git: the project's author, or a fallback, since git refuses to commit without one."""
    options = []
    for key, fallback in (("user.name", "apparel sweep"), ("user.email", "sweep@localhost")):
        value = git.run("config", key).stdout.decode().strip()
        options += ["-c", f"{key}={value or fallback}"]
    return options
