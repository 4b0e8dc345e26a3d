"""dvc.lock: stages, hashes and parameters, of the workspace and of commits; an invalid one is refused."""

from pathlib import Path

import pytest

from apparel.errors import UserError
from apparel.versioning import dvc_lock
from tests.support import project_copy
from tests.support.dvc_lock_text import PART, WHOLE

MD5 = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A git repository, as working directory, whose one commit has a dvc.lock."""
    monkeypatch.chdir(tmp_path)
    Path("dvc.lock").write_text(WHOLE, encoding="utf-8")
    project_copy.git(tmp_path, "init", "--quiet")
    project_copy.git(tmp_path, "add", "--all")
    project_copy.git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "one")
    return tmp_path


def test_a_committed_lock_has_its_commit_and_what_the_stage_read_and_wrote(repository):
    lock = dvc_lock.read_workspace()
    assert lock == dvc_lock.read_commit(project_copy.git(repository, "rev-parse", "HEAD").strip())
    assert lock.deps("split") == {"data/results/convert/labels.csv": MD5}
    assert lock.outs("split") == {"data/results/split": f"{MD5}.dir"}
    assert lock.hashes() == lock.deps("split") | lock.outs("split")
    assert lock.parameters(["split"]) == {"split.seed": 0}
    assert lock.read_values("split") == [("params.yaml", "split.seed", "0")]
    assert lock.maker("data/results/split/train.csv") == ("split", "data/results/split", f"{MD5}.dir")
    assert lock.maker("data/results/splits") is None
    assert dvc_lock.find_output(f"{MD5}.dir") == lock
    assert dvc_lock.find_output("f" * 32) is None


def test_an_edited_lock_has_no_commit_and_the_committed_one_is_still_there(repository):
    Path("dvc.lock").write_text(WHOLE.replace("seed: 0", "seed: 1"), encoding="utf-8")
    assert dvc_lock.read_workspace().revision is None
    assert dvc_lock.read_workspace().parameters(["split"]) == {"split.seed": 1}
    assert dvc_lock.read_commit("HEAD").parameters(["split"]) == {"split.seed": 0}
    Path("dvc.lock").unlink()
    assert dvc_lock.read_folder(repository).stages == {}
    assert dvc_lock.find_output(f"{MD5}.dir").parameters(["split"]) == {"split.seed": 0}


def test_stages_are_in_the_order_in_which_they_run():
    def stage(read: list[str], made: str) -> dict:
        return {"deps": [{"path": path, "md5": MD5} for path in read], "outs": [{"path": made, "md5": MD5}]}

    stages = {"eval": stage(["model", "split"], "metrics"), "train": stage(["split/train.csv"], "model")}
    lock = dvc_lock.Lock(None, stages | {"split": stage(["photos"], "split"), "other": stage(["lists"], "table")})
    assert lock.ancestry("eval") == ["split", "train", "eval"]


def test_an_incomplete_lock_is_recognised():
    assert dvc_lock.is_whole(None)
    assert dvc_lock.is_whole(WHOLE.encode())
    for part in (b"", b"schema: '2", PART, b"schema: '2.0'\nstages:\n  split:\n    cmd:", b"\xff\xfe"):
        assert not dvc_lock.is_whole(part)


INVALID_LOCKS = {
    "no hash": "stages: {train: {outs: [{path: a, md5: 5}]}}",
    "a hash that leads elsewhere": "stages: {train: {outs: [{path: a, md5: ../../../../etc/passwd}]}}",
    "no path": "stages: {train: {outs: [{md5: 0123456789abcdef0123456789abcdef}]}}",
    "no list": "stages: {train: {deps: 5}}",
    "no stages": "stages: [1]",
    "no parameters": "stages: {train: {params: {params.yaml: 5}}}",
    "a circle": "stages: {train: {deps: [{path: a/b}], outs: [{path: a}]}}".replace(
        "}]", ", md5: 0123456789abcdef0123456789abcdef}]"
    ),
}


@pytest.mark.parametrize("text", INVALID_LOCKS.values(), ids=INVALID_LOCKS)
def test_an_invalid_lock_is_refused(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.lock").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"dvc.lock of the workspace is not a valid lock of DVC.*git restore dvc.lock"):
        dvc_lock.read_workspace()


def test_a_commit_is_traced_from_its_last_stage_however_the_lock_is_ordered():
    def stage(read, made):
        return {"deps": [{"path": read, "md5": "1"}], "outs": [{"path": made, "md5": "1"}]}

    assert dvc_lock.Lock(None, {"eval": stage("model", "metrics"), "train": stage("photos", "model")}).last() == "eval"
