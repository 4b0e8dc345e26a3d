"""The stages and `apparel inspect` by Beam's DirectRunner, one worker and four: the bytes of a run without."""

import hashlib
from pathlib import Path

import pytest

from apparel.utils.beam import VARIABLE
from tests.support import fast_project, project_copy

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project of drawn photos, five to a TFRecord file, whose stages before train ran without Beam."""
    folder = fast_project.copy(tmp_path_factory.mktemp("project"))
    project_copy.set_params(folder / "params.yaml", tfrecord={"photos_per_shard": 5})
    for stage in ("draw", "convert", "split", "tfrecord"):
        run(folder, f"stages.{stage}")
    return folder


def run(folder: Path, *arguments: str, **variables: str) -> str:
    done = project_copy.run(folder, *arguments, **variables)
    assert done.returncode == 0, done.stdout
    return done.stdout


def outputs(folder: Path) -> dict[str, str]:
    """The hash of every file that the stages wrote."""
    written = [path for path in (folder / "data" / "results").rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in written}


@pytest.mark.parametrize("workers", [1, 4])
def test_convert_and_tfrecord_write_the_same_with_one_worker_and_with_four(project, workers):
    before = outputs(project)
    for stage in ("convert", "tfrecord"):
        run(project, f"stages.{stage}", **{VARIABLE: f"--runner=DirectRunner --direct_num_workers={workers}"})
        assert (project / ".apparel" / "shards" / f"{stage.replace('convert', 'photos')}.log").exists()
    assert outputs(project) == before
    assert len(before) > 10
    assert not list((project / ".apparel" / "shards").glob("*/*"))


def test_inspect_says_the_same(project):
    page = project / ".apparel" / "inspect" / "demo.html"
    without = run(project, "apparel", "inspect", "demo")
    written = page.read_bytes()
    by_beam = run(project, "apparel", "inspect", "demo", "--runner", "DirectRunner")
    assert by_beam.splitlines()[-5:] == without.splitlines()[-5:]
    assert page.read_bytes() == written
    assert (project / ".apparel" / "shards" / "comparing-photos.log").exists()
