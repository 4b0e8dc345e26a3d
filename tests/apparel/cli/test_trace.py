"""`apparel trace`: text and JSON, and an error when a link is broken."""

import json
import os
import re
import shutil
from argparse import Namespace
from pathlib import Path

import pytest

from apparel.analysis import trace, trace_text
from apparel.cli import trace as command
from apparel.errors import UserError
from apparel.versioning import dvc_hash
from tests.support import memory_bucket, traced_project
from tests.support.traced_project import DETECTIONS, edit


@pytest.fixture
def shop(traced, tmp_path, monkeypatch):
    return traced_project.enter_copy(traced, tmp_path / "shop", monkeypatch)


def test_the_command_prints_json_and_fails_when_a_link_is_broken(shop, capsys):
    asked = Namespace(what=DETECTIONS, json=True, files=False)
    command.main(asked)
    assert json.loads(capsys.readouterr().out)["whole"] is True
    edit(shop[0] / "data/shop/photos/one.jpg")
    with pytest.raises(UserError, match="1 link is broken or missing"):
        command.main(asked)
    printed = json.loads(capsys.readouterr().out)
    assert printed["whole"] is False
    text = trace_text.as_text(trace.trace("six"), files=True)
    assert "BROKEN" in text
    assert dvc_hash.bytes_md5(b"photo two") in text


def test_the_command_prints_an_error_as_json(shop, capsys):
    with pytest.raises(UserError) as refused:
        command.main(Namespace(what="sixx", json=True, files=False))
    assert json.loads(capsys.readouterr().out) == {"what": "sixx", "whole": False, "error": str(refused.value)}


def test_odd_names_can_be_printed(shop, capsys):
    copy = shutil.copy(DETECTIONS, shop[0] / os.fsdecode(b"bad\xff\n\x1b[31m.csv"))
    for as_json in (True, False):
        command.main(Namespace(what=str(copy), json=as_json, files=False))
        assert not re.search("[\x1b\udcff]", capsys.readouterr().out)


def test_a_copy_in_a_bucket_is_traced_by_its_content(shop, capsys, monkeypatch):
    address = f"{memory_bucket.make(monkeypatch)}/kept.csv"
    memory_bucket.write(address, Path(DETECTIONS).read_bytes())
    command.main(Namespace(what=address, json=True, files=False))
    printed = json.loads(capsys.readouterr().out)
    assert (printed["what"], printed["whole"]) == (address, True)
