"""A mistyped value is refused before DVC has removed a model, its results or its figures."""

from pathlib import Path

import pytest

from tests.support import fast_project, project_copy

pytestmark = pytest.mark.slow

MODEL = "data/results/train/model/weights.txt"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = fast_project.copy(tmp_path_factory.mktemp("check"))
    fast_project.repro(folder)
    return folder


def outputs(folder: Path) -> dict[str, bytes]:
    """All results but the file of `check`, which says nothing, and which DVC may remove when `check` refuses."""
    results = folder / "data" / "results"
    found = {path.relative_to(results).as_posix(): path.read_bytes() for path in results.rglob("*") if path.is_file()}
    return {name: content for name, content in found.items() if not name.startswith("check/")}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.resolution=big", "train.resolution: input should be a valid integer, found 'big'"),
        ("train.checkpoint=coco", "train.checkpoint: there are no weights 'data/pretrained/coco'"),
        ("data.name=demoo", "data.name: there are no photos 'data/demoo'; did you mean 'demo'?"),
        ("train.detector=ssd_mobilenet_v2", "not found; did you mean 'ssd_mobilenet_v1'?"),
    ],
)
def test_nothing_is_removed_for_a_value_that_cannot_work(ran: Path, override: str, message: str) -> None:
    before = outputs(ran)
    assert Path(ran / MODEL).is_file()
    done = project_copy.run(ran, "dvc", "exp", "run", "-S", override)
    project_copy.git(ran, "restore", "params.yaml")
    assert done.returncode != 0
    assert message in done.stdout
    assert outputs(ran) == before


def test_what_a_later_stage_refuses_says_how_to_get_its_outputs_back(ran: Path) -> None:
    before = outputs(ran)
    done = project_copy.run(ran, "dvc", "exp", "run", "-S", "data.classes=[Dreses]")
    assert "DVC removed data/results/convert, which is not lost" in done.stdout
    project_copy.git(ran, "restore", "params.yaml")  # the earlier values, as the message says
    assert project_copy.run(ran, "dvc", "repro").returncode == 0
    assert outputs(ran) == before
