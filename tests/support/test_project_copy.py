"""The copy of the project for tests: the same whatever was run or imported in the clone."""

from pathlib import Path

from tests.support import project_copy


def files_of(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts
    }


def test_results_and_imported_data_stay_behind(tmp_path):
    clone = project_copy.copy(tmp_path / "clone")
    before = files_of(clone)
    assert {"dvc.yaml", "data/demo/dvc.yaml", "data/demo/params.yaml", "data/pretrained/none/README.md"} <= before
    for name in (
        "dvc.lock",
        "data/demo/dvc.lock",
        "data/results/train/val.json",
        "data/results/eval/metrics.json",
        "data/results/eval/index.html",
        "data/shop/photos.dvc",
        "data/shop/source.json",
        "data/pretrained/coco.dvc",
        "data/pretrained/coco.source.json",
        ".apparel/runs/one/run.json",
        "mlflow.db",
    ):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_text("{}", encoding="utf-8")
    project_copy.git(clone, "add", "--all")  # as after `git commit` of results
    (clone / "apparel" / "new.py").write_text("", encoding="utf-8")
    assert files_of(project_copy.copy(tmp_path / "copy", clone)) == before | {"apparel/new.py"}
