import shutil

import pytest

from apparel import paths
from apparel.analysis import run_results
from apparel.errors import UserError
from tests.support import project_copy


def test_an_experiment_without_a_table_is_named(three_stages_run, tmp_path, monkeypatch):
    folder = shutil.copytree(three_stages_run, tmp_path / "project")
    monkeypatch.chdir(folder)
    head = project_copy.git(folder, "rev-parse", "HEAD").strip()
    project_copy.git(folder, "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/short", head)
    with pytest.raises(UserError, match="the results of the experiment 'short' cannot be read"):
        run_results.text("short")


def test_the_table_of_an_experiment_comes_from_its_commit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    header = ",".join(run_results.report.PER_CLASS_COLUMNS)
    rest = ",".join("1" for _ in run_results.report.PER_CLASS_COLUMNS[2:])
    copy = tmp_path / "fetched.csv"
    copy.write_text(f"{header}\ntest,all classes,{rest}\ntest,Dresses,{rest}\n", encoding="utf-8")
    monkeypatch.setattr(run_results, "_fetch", lambda experiment, folder: copy)
    text = run_results.text("short")
    assert "Dresses" in text
    assert "dvc exp apply short" in text
    assert not paths.PER_CLASS.exists()
