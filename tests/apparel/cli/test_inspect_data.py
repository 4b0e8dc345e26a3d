import argparse
import shutil
from pathlib import Path

import pytest

from apparel import paths
from apparel.cli import inspect_data
from apparel.data.synthetic import dataset
from apparel.errors import UserError
from tests.support import memory_bucket
from tests.support.repository import ROOT


def run(*words):
    parser = argparse.ArgumentParser()
    inspect_data.add_arguments(parser)
    inspect_data.main(parser.parse_args(words))


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    dataset.draw_data_set(paths.DATA / "shop", photos=6, empty=1, side=64, seed=0)
    return tmp_path


def test_a_table_and_a_page(project, capsys):
    run("shop")
    run("shop", "--html", "elsewhere/page.html")
    page = Path("elsewhere/page.html").read_text(encoding="utf-8")
    assert page == (paths.LOCAL / "inspect" / "shop.html").read_text(encoding="utf-8")
    shown = capsys.readouterr().out
    assert "1 without a box" in shown and "best IoU" in shown and "elsewhere" in shown


@pytest.mark.parametrize("name", ["../shop", "nothing", ""])
def test_what_is_no_data_set_is_refused(project, name):
    with pytest.raises(UserError):
        run(name)


@pytest.mark.parametrize("page", ["", "configs"])
def test_a_page_that_would_be_a_folder_is_refused(project, page):
    with pytest.raises(UserError, match="is a folder; name a file"):
        run("shop", "--html", page)


def test_a_page_goes_to_a_bucket_and_a_data_set_does_not_come_from_one(project, capsys, monkeypatch):
    address = memory_bucket.make(monkeypatch)
    run("shop", "--html", f"{address}/page.html")
    assert memory_bucket.files(address)["page.html"].startswith(b"<!doctype html>")
    assert f"pictures and more: {address}/page.html" in capsys.readouterr().out
    with pytest.raises(UserError, match="`apparel import gs://bucket/shop --name NAME` makes one"):
        run("gs://bucket/shop")
