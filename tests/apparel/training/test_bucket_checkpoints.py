"""Checkpoints in a bucket: taken up by an empty machine, whole ones of the same training alone; and curves."""

import io
import tarfile
from pathlib import Path

import pytest

from apparel import paths
from apparel.errors import UserError
from apparel.training import bucket_checkpoints
from apparel.training.bucket_checkpoints import BucketCheckpoints, BucketCurves
from tests.support import memory_bucket

STATE = b'model_checkpoint_path: "ckpt-%d"\n'


@pytest.fixture
def place(monkeypatch, tmp_path):
    """A place in a bucket; the working directory has no state."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "LOCAL", Path(".apparel"))
    address = f"{memory_bucket.make(monkeypatch)}/checkpoints"
    monkeypatch.setenv(bucket_checkpoints.VARIABLE, f"{address}/")
    return address


def machine(name, key="key"):
    folder = Path(name, key)
    folder.mkdir(parents=True)
    return folder


def save(folder, step, best=1):
    """What a training writes at a step, beside what is left of the one before."""
    for name, content in {
        "latest/checkpoint": STATE % step,
        f"latest/ckpt-{step}.index": b"index %d" % step,
        f"latest/ckpt-{step}.data-00000-of-00001": b"data %d" % step,
        f"best/step-{best}.index": b"best %d" % best,
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)


def send(place, folder, *steps):
    checkpoints = BucketCheckpoints(place, folder)
    for step in steps:
        save(folder, step)
        checkpoints.send(step)
        checkpoints._sender.wait()
    return checkpoints


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_empty_machine_takes_up_the_newest_checkpoint(place, capsys):
    send(place, machine("one"), 3, 12, 100)
    assert sorted(memory_bucket.files(place)) == ["key/step-000000012.tar", "key/step-000000100.tar"]
    folder = machine("two")
    BucketCheckpoints(place, folder).take_up()
    assert files(folder) == {
        "latest/checkpoint": STATE % 100,
        "latest/ckpt-100.index": b"index 100",
        "latest/ckpt-100.data-00000-of-00001": b"data 100",
        "best/step-1.index": b"best 1",
    }
    assert "step 100 comes from memory://" in capsys.readouterr().out


def test_a_machine_with_a_newer_checkpoint_keeps_it(place, capsys):
    send(place, machine("one"), 3)
    folder = machine("two")
    save(folder, 4, best=4)
    before = files(folder)
    BucketCheckpoints(place, folder).take_up()
    assert files(folder) == before
    send(place, Path("one", "key"), 5)
    BucketCheckpoints(place, folder).take_up()
    assert set(files(folder)) == {
        "latest/checkpoint", "latest/ckpt-5.index", "latest/ckpt-5.data-00000-of-00001", "best/step-1.index",
    }  # fmt: skip


def test_a_checkpoint_of_another_training_is_not_taken_up(place):
    send(place, machine("one"), 3)
    folder = machine("two", "other")
    BucketCheckpoints(place, folder).take_up()
    assert files(folder) == {}


def change_byte(content):
    changed = bytearray(content)
    changed[content.index(b"data 7")] ^= 1
    return bytes(changed)


def other_member(content):
    packed = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(content)) as before, tarfile.open(fileobj=packed, mode="w") as tar:
        for member in before:
            tar.addfile(member, before.extractfile(member))
        header = tarfile.TarInfo("latest/../../../evil")
        tar.addfile(header)
    return packed.getvalue()


@pytest.mark.parametrize(
    "damage",
    [change_byte, other_member, lambda content: content[:1500], lambda content: b"", lambda content: b"x" * 999],
)
def test_a_damaged_checkpoint_is_skipped_for_the_one_before_it(place, capsys, damage):
    send(place, machine("one"), 3, 7)
    newest = f"{place}/key/step-000000007.tar"
    memory_bucket.write(newest, damage(memory_bucket.files(place)["key/step-000000007.tar"]))
    folder = machine("two")
    BucketCheckpoints(place, folder).take_up()
    assert f"the checkpoint {newest} is damaged and skipped" in capsys.readouterr().out
    assert "latest/ckpt-3.index" in files(folder)
    assert not list(Path().rglob("evil"))


def test_one_that_was_renamed_is_none_of_this_training(place):
    """By its key, and by its step."""
    send(place, machine("one"), 3)
    content = memory_bucket.files(place)["key/step-000000003.tar"]
    memory_bucket.write(f"{place}/other/step-000000003.tar", content)
    memory_bucket.write(f"{place}/key/step-000000009.tar", content)
    other, same = machine("two", "other"), machine("two", "key")
    BucketCheckpoints(place, other).take_up()
    BucketCheckpoints(place, same).take_up()
    assert files(other) == {}
    assert "latest/ckpt-3.index" in files(same)


def test_what_is_in_the_bucket_goes_when_the_training_has_ended(place):
    checkpoints = send(place, machine("one"), 3)
    send(place, machine("one", "other"), 3)
    checkpoints.remove()
    assert sorted(memory_bucket.files(place)) == ["other/step-000000003.tar"]


def test_a_bucket_that_is_away_stops_no_training_but_a_beginning_one(place, monkeypatch, capsys):
    checkpoints = send(place, machine("one"))

    def fail(*_):
        raise UserError("no answer")

    monkeypatch.setattr(checkpoints._bucket, "upload", fail)
    monkeypatch.setattr(checkpoints._bucket, "remove", fail)
    monkeypatch.setattr(checkpoints._bucket, "names", fail)
    save(Path("one", "key"), 3)
    checkpoints.send(3)
    checkpoints.remove()
    said = capsys.readouterr().out
    assert "warning: the checkpoint of step 3 is on this machine alone, and the training goes on: no answer" in said
    assert not list(Path("one").rglob("*.tar"))
    with pytest.raises(UserError, match="no answer"):
        checkpoints.take_up()


def test_without_the_variable_nothing_is_sent(place, monkeypatch):
    monkeypatch.delenv(bucket_checkpoints.VARIABLE)
    assert bucket_checkpoints.of(machine("without")) is None
    BucketCurves(Path("run")).finish()
    assert memory_bucket.files(place) == {}


def test_a_place_that_is_no_address_is_refused(place, monkeypatch):
    monkeypatch.setenv(bucket_checkpoints.VARIABLE, "bucket/checkpoints")
    with pytest.raises(UserError, match="the variable APPAREL_CHECKPOINTS: 'bucket/checkpoints' is no address"):
        bucket_checkpoints.of(machine("wrong"))


def test_curves_go_to_a_folder_of_their_own(place):
    for split in ("train", "val"):
        (Path("tensorboard", "a run", split)).mkdir(parents=True)
        Path("tensorboard", "a run", split, "events.out").write_bytes(split.encode())
    BucketCurves(Path("tensorboard", "a run")).finish()
    assert memory_bucket.files(place) == {
        "tensorboard/a run/train/events.out": b"train", "tensorboard/a run/val/events.out": b"val",
    }  # fmt: skip
