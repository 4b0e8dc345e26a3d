"""A sweep in optuna-dashboard, as a browser shows it."""

import argparse
import os
from pathlib import Path

import pytest

from apparel.cli import dashboard
from apparel.errors import UserError
from tests.support import chromium, studies
from tests.support.repository import ROOT
from tests.support.servers import served

STORAGE = "sqlite:///optuna.db"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_a_dashboard_without_studies_says_what_makes_them():
    with pytest.raises(UserError, match=r"optuna\.db not found.*apparel sweep"):
        dashboard.main(arguments(STORAGE))
    assert not Path("optuna.db").exists()
    with pytest.raises(UserError, match="proxy"):
        dashboard.main(arguments("grpc://localhost:13000"))


def arguments(storage):
    return argparse.Namespace(storage=storage, host="127.0.0.1", port=8080)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="ends processes with POSIX signals")
def test_optuna_dashboard_shows_the_trials(tmp_path):
    studies.make(storage=STORAGE)
    with served("dashboard", "dashboard") as address:
        chromium.wait_for(["drawn"], f"{address}/dashboard", tmp_path / "browser")
        texts = ["9 Trials", "Pruned", "Fail", "Running", "Best Trial", "train.learning_rate", "drawn-003", f"{3:032x}"]
        page = f"{address}/dashboard/studies/1/trials?numbers=3"
        document = chromium.wait_for(texts, page, tmp_path / "browser")
        assert all(text in document for text in texts)
