from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.txt").read_text(encoding="utf-8")


def requirements(text: str) -> list[Requirement]:
    """Those of a requirements file, without comments and hashes."""
    lines = (line.partition("#")[0].partition("\\")[0].strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("--hash")]


def test_lock_has_every_direct_dependency():
    locked = {canonicalize_name(each.name): next(iter(each.specifier)).version for each in requirements(LOCK)}
    for direct in requirements((ROOT / "requirements.in").read_text(encoding="utf-8")):
        assert direct.specifier.contains(locked.get(canonicalize_name(direct.name), "0")), f"{direct}: run `make lock`"


def test_each_direct_dependency_says_why():
    for line in (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or line.partition("#")[2].strip(), line


def test_every_locked_package_has_a_hash_and_no_address():
    entries = LOCK.replace("\\\n", "").splitlines()
    pinned = [entry for entry in entries if "==" in entry and not entry.lstrip().startswith("#")]
    assert len(pinned) > 100
    assert all("--hash=sha256:" in entry for entry in pinned)
    assert "://" not in LOCK
