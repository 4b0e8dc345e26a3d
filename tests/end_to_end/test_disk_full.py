"""A disk that fills up in any stage: one message, and nothing half-written is taken for whole. Takes minutes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.end_to_end.test_pipeline import PHOTOS, SETTINGS
from tests.end_to_end.test_survival import STAGES, forget
from tests.support import project_copy

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="mounts a file system in memory")]


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system of its own."""
    folder = tmp_path_factory.mktemp("disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=500m", "tmpfs", folder], check=False).returncode:
        pytest.skip("only root may mount")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture(scope="module")
def ran(disk: Path) -> Path:
    """A small copy of the project on that disk, after one `dvc repro`."""
    folder = project_copy.copy(disk / "project")
    project_copy.set_params(folder / "params.yaml", **SETTINGS)
    project_copy.set_params(folder / "data" / "demo" / "params.yaml", draw=PHOTOS)
    done = project_copy.run(folder, "dvc", "repro")
    assert done.returncode == 0, done.stdout
    return folder


@contextmanager
def _full(disk: Path, free: int) -> Iterator[None]:
    """The disk with only so many bytes left."""
    filler = disk / "filler"
    state = os.statvfs(disk)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, state.f_bavail * state.f_frsize - free)
    yield
    filler.unlink()


def _outputs(folder: Path, stage: str) -> dict[str, int]:
    """The size of each output in bytes."""
    found = YAML(typ="safe").load(folder / "dvc.lock")["stages"][stage]["outs"]
    return {out["path"]: out["size"] for out in found}


@pytest.mark.parametrize("stage", STAGES)
def test_a_full_disk_is_one_message_and_the_next_repro_is_whole(disk: Path, ran: Path, stage: str) -> None:
    lock, outputs = (ran / "dvc.lock").read_bytes(), _outputs(ran, stage)
    for share in (0.0, 0.4, 0.9):
        for path in outputs:  # as DVC does before it runs a stage
            shutil.rmtree(ran / path) if (ran / path).is_dir() else (ran / path).unlink(missing_ok=True)
        with _full(disk, int(share * sum(outputs.values()))):
            done = project_copy.run(ran, f"stages.{stage}")
        assert done.returncode == 1, done.stdout
        assert "Traceback" not in done.stdout
        errors = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1, done.stdout
        assert "no space left" in errors[0] or "the disk has" in errors[0]
    forget(ran, stage)
    done = project_copy.run(ran, "dvc", "repro")
    assert done.returncode == 0, done.stdout
    assert f"> python -m stages.{stage}" in done.stdout
    assert (ran / "dvc.lock").read_bytes() == lock
