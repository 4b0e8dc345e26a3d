"""What a machine of a job leaves in the bucket: how it ended, git's experiments, and runs for MLflow."""

import json
import re
import tarfile
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from apparel import paths
from apparel.errors import UserError, plain
from apparel.utils import bucket_files, files, limits
from apparel.utils.buckets import Folder
from apparel.versioning import git

END, EXPERIMENTS, FILES = "end.json", "experiments.bundle", "predictions.tar"
"""Files in the folder of a machine: `Ending`, a git bundle, and what `apparel predict` wrote."""

RUNS = re.compile(r"runs(-\d+)?\.tar")
"""Name there of MLflow's outboxes, one for each attempt: where a machine was taken away, the next one adds its own."""

FOUND, PAGE, PARTS = "predictions", "index.html", "parts"
"""Folder there that `apparel predict` wrote to itself; its page, which comes last; and what a run goes on from."""

MAX_TEXT_BYTES = 1_000_000
"""Bytes of a description or an ending."""

MAX_ARCHIVE_BYTES = 20_000_000_000
"""Bytes of an archive or bundle: the models of a large sweep, or the table of a million photos with pictures."""

RUN = re.compile(r"[0-9a-f]{32}")
RECORD = re.compile(r"[0-9a-f]{32}(\.dir)?")
"""Names of outboxes, and of the records by DVC's hash which run trained a model."""

COMMIT = re.compile(r"[0-9a-f]{40}")
"""A commit of git, in full."""


@dataclass(frozen=True)
class Ending:
    """How the work of a machine ended.

    Attributes:
        rank: of the machine.
        failure: why it failed; empty where it did not.
        log: the last lines of its log, where it failed.
        experiments: commits by name of DVC experiment.
    """

    rank: int
    failure: str
    log: str
    experiments: dict[str, str]


def machine_folder(job: str, rank: int) -> Folder:
    """The folder of a machine in that of its job."""
    return Folder(f"{job}/machine-{rank}")


def write_ending(folder: Folder, ending: Ending) -> None:
    """Writes how a machine's work ended, which comes last: results without it are incomplete."""
    folder.write(END, json.dumps(asdict(ending), indent=2).encode() + b"\n")


def read_endings(job: str) -> list[Ending]:
    """How the machines of a job ended, by rank; those that have not ended are left out.

    Raises:
        UserError: the bucket does not answer, or a file there is damaged.
    """
    endings = []
    for name in Folder(job).names():
        if re.fullmatch(r"machine-\d+", name) and END in Folder(f"{job}/{name}").names():
            text = Folder(f"{job}/{name}").read(END, MAX_TEXT_BYTES)
            try:
                ending = Ending(**json.loads(text))
                whole = all(COMMIT.fullmatch(commit) for commit in ending.experiments.values())
                whole = whole and all(map(str.isprintable, ending.experiments))
                whole = whole and f"machine-{ending.rank}" == name and isinstance(ending.failure + ending.log, str)
            except (ValueError, TypeError, AttributeError):
                whole = False
            if not whole:
                raise UserError(f"{job}/{name}/{END} is damaged")
            endings.append(ending)
    return sorted(endings, key=lambda ending: ending.rank)


def send_experiments(folder: Folder, baseline: str) -> dict[str, str]:
    """Sends the DVC experiments of this clone that are not part of the baseline; returns their commits by name."""
    experiments = {name: commits[0] for name, commits in git.experiments().items()}
    if experiments:
        with TemporaryDirectory(prefix="apparel-bundle-") as name:
            bundle = Path(name) / EXPERIMENTS
            git.output("bundle", "create", "--quiet", str(bundle), f"--glob={git.EXPERIMENTS}/*", f"^{baseline}")
            folder.upload(EXPERIMENTS, bundle)
    return experiments


def fetch_experiments(folder: Folder) -> None:
    """Takes a machine's DVC experiments into this repository.

    Raises:
        UserError: another experiment of this repository has one of their names, or git cannot read them.
    """
    if EXPERIMENTS not in folder.names():
        return
    with TemporaryDirectory(prefix="apparel-bundle-") as name:
        bundle = Path(name) / EXPERIMENTS
        folder.download(EXPERIMENTS, bundle, MAX_ARCHIVE_BYTES)
        refs = f"{git.EXPERIMENTS}/*:{git.EXPERIMENTS}/*"
        checked = ("-c", "fetch.fsckObjects=true")  # git refuses names such as `.git/hooks/x` then
        done = git.run(*checked, "fetch", "--no-tags", "--no-write-fetch-head", str(bundle), refs)
        said = plain(" ".join(done.stderr.decode(errors="replace").split()))
        if done.returncode and "rejected" in said:
            raise UserError(f"an experiment here has the name of one of the job's; `dvc exp rename` it first: {said}")
        if done.returncode:
            raise UserError(f"{folder.file(EXPERIMENTS)} cannot be read: {said}")


def attempts(folder: Folder) -> int:
    """How many attempts have sent runs."""
    return sum(1 for name in folder.names() if RUNS.fullmatch(name))


def send_runs(folder: Folder, attempt: int = 0) -> None:
    """Sends what MLflow is to get, and which runs trained which models; `attempt` counts from 0."""
    names = [f"{part}/{path.name}" for part in ("runs", "models") for path in sorted((paths.LOCAL / part).glob("*"))]
    if names:
        _upload(folder, f"runs-{attempt}.tar", paths.LOCAL, names)


def fetch_runs(folder: Folder) -> list[str]:
    """Takes a machine's runs into this clone; returns the ids of those that were not here yet, or not as far."""
    new: dict[str, None] = {}
    for name in filter(RUNS.fullmatch, folder.names()):
        new |= dict.fromkeys(_fetch_runs(folder, name))
    return list(new)


def _fetch_runs(folder: Folder, archive: str) -> list[str]:
    new = []
    with TemporaryDirectory(prefix="apparel-runs-") as name:
        _download(folder, archive, Path(name))
        for outbox in sorted(Path(name).glob("runs/*")):
            here = paths.LOCAL / "runs" / outbox.name
            # Of a run that went on on another machine the longer one; that MLflow has its beginning does no harm.
            if RUN.fullmatch(outbox.name) and _length(outbox) > _length(here):
                with files.replace_folder(here) as unfinished:
                    for path in files.below(outbox):
                        target = unfinished / path.relative_to(outbox)
                        target.parent.mkdir(parents=True, exist_ok=True)
                        path.replace(target)
                new.append(outbox.name)
        for record in sorted(Path(name).glob("models/*")):
            run = record.read_text(encoding="utf-8", errors="replace").strip()
            if (
                RECORD.fullmatch(record.name)
                and RUN.fullmatch(run)
                and not (paths.LOCAL / "models" / record.name).exists()
            ):
                files.write_text(paths.LOCAL / "models" / record.name, run)
    return new


def _length(outbox: Path) -> int:
    """Bytes of an outbox's lines; -1 where there is none."""
    lines = outbox / "lines.jsonl"
    return lines.stat().st_size if lines.is_file() else -1 if not outbox.exists() else 0


def send_files(folder: Folder, made: Path) -> None:
    """Sends a folder of predictions."""
    _upload(folder, FILES, made.parent, [made.name])


def fetch_files(folder: Folder, target: Path) -> bool:
    """Takes a machine's predictions into a folder, which must not exist; whether there are any, and all."""
    found = Folder(folder.file(FOUND))
    is_found = FOUND in folder.names() and PAGE in found.names()
    if not is_found and FILES not in folder.names():
        return False
    if target.exists():
        raise UserError(f"{target.as_posix()} exists; move it elsewhere, then fetch again")
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".fetched-", dir=target.parent) as name:
        if is_found:
            stored = bucket_files.listed(found.address).items()
            wanted = [(file, Path(name, FOUND, below)) for below, file in stored if not below.startswith(f"{PARTS}/")]
            bucket_files.fetch_all(wanted, MAX_ARCHIVE_BYTES)
        else:
            _download(folder, FILES, Path(name))
        folders = [path for path in Path(name).iterdir() if path.is_dir()]
        if len(folders) != 1:
            raise UserError(f"{folder.file(FILES)} does not hold the output of `apparel predict`")
        folders[0].rename(target)
    return True


def _upload(folder: Folder, name: str, parent: Path, members: list[str]) -> None:
    with TemporaryDirectory(prefix="apparel-archive-") as temporary:
        archive = Path(temporary) / name
        with tarfile.open(archive, "w") as tar:
            for member in members:
                tar.add(parent / member, arcname=member)
        folder.upload(name, archive)


def _download(folder: Folder, name: str, target: Path) -> None:
    """Unpacks an archive: plain files and folders alone, inside of `target`, as many as an import may have."""
    with TemporaryDirectory(prefix="apparel-archive-") as temporary:
        archive = Path(temporary) / name
        folder.download(name, archive, MAX_ARCHIVE_BYTES)
        room = limits.UnpackLimits(archive.stat().st_size)
        try:
            with tarfile.open(archive) as tar:
                for member in tar:
                    parts = PurePosixPath(member.name).parts
                    if not (member.isfile() or member.isdir()) or ".." in parts or member.name.startswith("/"):
                        raise UserError(f"{folder.file(name)} holds '{plain(member.name)}', which no job writes")
                    limits.check_name(member.name)
                    room.use(1, member.size)
                    tar.extract(member, target, filter="data")
        except (tarfile.TarError, EOFError) as error:
            raise UserError(f"{folder.file(name)} is damaged: {plain(str(error))}") from None
