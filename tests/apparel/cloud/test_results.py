"""What a machine leaves in the bucket comes home whole, and nothing else does."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from apparel.cloud import results, snapshot, start
from apparel.errors import UserError
from apparel.utils.buckets import Folder
from apparel.versioning import git
from tests.support import fast_project, project_copy

RUN, MODEL = "0" * 32, "1" * 32 + ".dir"


@pytest.fixture
def folder(tmp_path) -> Folder:
    return results.machine_folder(tmp_path.as_uri() + "/bucket", 0)


@pytest.fixture
def local(tmp_path, monkeypatch):
    """The state of a clone, `.apparel`, of which there are two: `go("machine")` and `go("home")`."""

    def go(name: str):
        monkeypatch.setattr(results.paths, "LOCAL", tmp_path / name)
        return tmp_path / name

    return go


def test_endings_by_rank_and_none_of_a_machine_that_has_not_ended(tmp_path):
    job = tmp_path.as_uri() + "/bucket"
    assert results.read_endings(job) == []
    endings = [results.Ending(rank, "", "", {"one": "2" * 40}) for rank in (10, 2)]
    for ending in endings:
        results.write_ending(results.machine_folder(job, ending.rank), ending)
    results.machine_folder(job, 3).write("runs.tar", b"")
    assert results.read_endings(job) == endings[::-1]
    other = vars(results.Ending(3, "", "", {"one": "--upload-pack=x"}))
    for damaged in ([], {}, other, other | {"rank": 4, "experiments": {}}, other | {"experiments": []}):
        results.machine_folder(job, 3).write("end.json", json.dumps(damaged).encode())
        with pytest.raises(UserError, match=r"machine-3/end\.json is damaged"):
            results.read_endings(job)


def test_runs_come_once_and_a_record_of_this_clone_stays(folder, local):
    machine = local("machine")
    for name, text in {f"runs/{RUN}/run.json": "{}", f"runs/{RUN}/files/a/b.png": "x", f"models/{MODEL}": RUN}.items():
        (machine / name).parent.mkdir(parents=True, exist_ok=True)
        (machine / name).write_text(text)
    results.send_runs(folder)
    home = local("home")
    assert results.fetch_runs(folder) == [RUN]
    assert (home / "runs" / RUN / "files" / "a" / "b.png").read_text() == "x"
    assert (home / "models" / MODEL).read_text() == RUN
    (home / "models" / MODEL).write_text("3" * 32)
    assert results.fetch_runs(folder) == []
    assert (home / "models" / MODEL).read_text() == "3" * 32


def test_a_run_that_went_on_on_another_machine_comes_as_far_as_it_got(folder, local):
    def work(name: str, attempt: int, **runs: str) -> None:
        for run, lines in runs.items():
            outbox = local(name) / "runs" / (run * 32)
            outbox.mkdir(parents=True)
            (outbox / "run.json").write_text("{}")
            (outbox / "lines.jsonl").write_text(lines)
        assert results.attempts(folder) == attempt
        results.send_runs(folder, attempt)

    work("first", 0, a="1\n", b="1\n2\n")
    home = local("home")
    assert results.fetch_runs(folder) == ["a" * 32, "b" * 32]
    (home / "runs" / ("a" * 32) / "sent.json").write_text('{"bytes": 2}')
    work("second", 1, a="1\n2\n3\n", c="1\n")
    home = local("home")
    assert results.fetch_runs(folder) == ["a" * 32, "c" * 32]
    assert (home / "runs" / ("a" * 32) / "lines.jsonl").read_text() == "1\n2\n3\n"
    assert not (home / "runs" / ("a" * 32) / "sent.json").exists()  # so that all of it is sent
    assert (home / "runs" / ("b" * 32) / "lines.jsonl").read_text() == "1\n2\n"
    assert results.fetch_runs(folder) == []


def test_experiments_of_an_attempt_before_go_on_with_the_next(folder, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    (home / "params.yaml").touch()
    project_copy.git(home, "init", "--quiet")
    for _ in range(2):  # a machine has the last commit alone
        baseline = fast_project.commit(home, "project")
    monkeypatch.chdir(home)
    with snapshot.taken() as taken:
        taken.pack(tmp_path / "pack")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@localhost")
    for number in range(2):
        start.unpack(tmp_path / "pack", tmp_path / f"machine-{number}", taken.commit, taken.state)
        monkeypatch.chdir(tmp_path / f"machine-{number}")
        results.fetch_experiments(folder)
        reference = f"refs/exps/{baseline[:2]}/{baseline[2:]}/trial-{number}"
        project_copy.git(Path(), "commit", "--quiet", "--allow-empty", "--message", "trial")
        project_copy.git(Path(), "update-ref", reference, "HEAD")
        sent = results.send_experiments(folder, baseline)
    assert sorted(sent) == ["trial-0", "trial-1"]
    monkeypatch.chdir(home)
    results.fetch_experiments(folder)
    assert sorted(git.experiments()) == ["trial-0", "trial-1"]


def test_a_machine_without_runs_or_predictions(folder, local, tmp_path):
    local("machine")
    results.send_runs(folder)
    assert results.fetch_runs(folder) == []
    assert not results.fetch_files(folder, tmp_path / "predictions")
    results.fetch_experiments(folder)


def test_predictions_come_as_a_folder_and_replace_none(folder, tmp_path):
    made = tmp_path / "made" / "autumn"
    made.mkdir(parents=True)
    (made / "detections.csv").write_text("class\n")
    results.send_files(folder, made)
    target = tmp_path / "home" / "predictions" / "one"
    assert results.fetch_files(folder, target)
    assert (target / "detections.csv").read_text() == "class\n"
    assert [path.name for path in target.parent.iterdir()] == ["one"]
    with pytest.raises(UserError, match="one exists; move it elsewhere"):
        results.fetch_files(folder, target)


def test_predictions_that_a_run_wrote_to_the_bucket_come_once_they_are_whole(tmp_path):
    folder = Folder(f"memory://{tmp_path.name}/jobs/one/machine-0")
    for name in ("run.json", "detections.csv", "parts/000000000-000000002.tar", "pictures/a/1.jpg"):
        folder.write(f"predictions/{name}", name.encode())
    target = tmp_path / "predictions" / "one"
    assert not results.fetch_files(folder, target)  # the machine is lost, or works on
    folder.write("predictions/index.html", b"page")
    assert results.fetch_files(folder, target)
    assert sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()) == [
        "detections.csv", "index.html", "pictures/a/1.jpg", "run.json",
    ]  # fmt: skip
    assert (target / "pictures" / "a" / "1.jpg").read_bytes() == b"pictures/a/1.jpg"
    with pytest.raises(UserError, match="one exists; move it elsewhere"):
        results.fetch_files(folder, target)


@pytest.mark.parametrize("kind", ["../x", "/etc/x", "link", "hard", "device", "many"])
def test_an_archive_that_no_job_wrote_leaves_nothing_outside(folder, tmp_path, kind, monkeypatch):
    monkeypatch.setattr(results.limits, "MAX_FILES", 3)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for number in range(4 if kind == "many" else 1):
            member = tarfile.TarInfo(kind if "/" in kind else f"out/{number}")
            types = {"link": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "device": tarfile.CHRTYPE}
            member.type, member.linkname = types.get(kind, tarfile.REGTYPE), "/etc/passwd"
            tar.addfile(member)
    folder.write(results.FILES, content.getvalue())
    with pytest.raises(UserError, match=r"which no job writes|more than 3 files"):
        results.fetch_files(folder, tmp_path / "home" / "one")
    assert list((tmp_path / "home").iterdir()) == []


def test_a_damaged_archive_is_one_line(folder, tmp_path):
    folder.write(results.FILES, b"no archive")
    with pytest.raises(UserError, match=r"predictions\.tar is damaged"):
        results.fetch_files(folder, tmp_path / "home" / "one")
