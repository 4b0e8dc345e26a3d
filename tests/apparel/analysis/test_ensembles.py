"""Ensembles from their files: what goes together, and the errors for what does not."""

import re
from pathlib import Path

import dvc.api
import pytest

from apparel import paths
from apparel.analysis import ensembles, result_sets
from apparel.analysis.predictions import choose_network
from apparel.errors import UserError
from apparel.inference import ensemble_file
from apparel.models.thresholds import Thresholds
from apparel.versioning import dvc_lock
from tests.support.ensembles import network, use, write

TWO = "members: [{model: six, mirrored: true}, {model: lite}]\nfusion: {weights: [3, 1]}\n"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    use(monkeypatch, six=network("1"), lite=network("2", side=48, thresholds=(0.2, 0.5)), copy=network("1"))


def test_a_members_weight_is_shared_by_its_views():
    loaded = ensembles.load(write(TWO))
    views = loaded.network.views
    assert [(view.weight, view.is_mirrored) for view in views] == [(0.375, False), (0.375, True), (0.25, False)]
    assert [loaded.views_of(number) for number in (0, 1)] == [[0, 1], [2]]
    metadata = loaded.network.metadata
    assert (metadata.height, metadata.detector) == (48, "ensemble two of 2")


def test_without_thresholds_of_its_own_the_members_means_are_taken_and_named():
    path = write(TWO)
    loaded = ensembles.load(path)
    assert loaded.network.metadata.thresholds.by_class == {"bright": pytest.approx(0.5), "dim": pytest.approx(0.5)}
    assert "`apparel ensemble fit two` chooses them on val" in loaded.notes[0]
    chosen = Thresholds({"bright": 0.1, "dim": 0.2}, None, {})
    ensemble_file.write_thresholds(path, loaded.network.metadata.model, chosen)
    again = ensembles.load(path)
    assert again.network.metadata.thresholds == chosen and not again.notes


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ("[{model: six}, {model: none}]", "member none: there is no model 'none'"),
        ("[{model: six}, {model: copy}]", "six and copy are the same model; a higher weight counts it more"),
        ("[{model: six}, {model: order}]", "the classes of order are in another order, dim, bright, than those of six"),
        ("[{model: six}, {model: other}]", "the classes of other are other ones, red, blue, than those of six"),
        ("[{model: six}, {model: two.yaml}]", "member two.yaml: a member is a model, no other ensemble"),
    ],
)
def test_members_that_do_not_go_together_are_named(monkeypatch, members, told):
    others = {"order": network("3", ("dim", "bright")), "other": network("4", ("red", "blue"))}
    use(monkeypatch, six=network("1"), copy=network("1"), **others, **{"two.yaml": network("5")})
    with pytest.raises(UserError, match=rf"two\.yaml.*{told}"):
        ensembles.load(write(f"members: {members}"))


def test_one_model_at_two_sizes_is_no_repetition(monkeypatch):
    use(monkeypatch, six=network("1"), again=network("1", side=48))
    assert len(ensembles.load(write("members: [{model: six}, {model: again}]")).members) == 2


def test_predict_and_serve_load_an_ensemble_where_they_load_a_model():
    path = write(TWO)
    networks, file, notes = choose_network.choose(path, None)
    assert (len(networks), file, len(notes)) == (1, path, 1)
    assert set(choose_network.files_of(path)) == {path, Path("six"), Path("lite")}
    thresholds = ensemble_file.thresholds_file(path)
    thresholds.touch()
    assert thresholds in choose_network.files_of(path)
    with pytest.raises(UserError, match="the members of an ensemble run on what they are named by"):
        choose_network.choose(path, "tflite")


def test_an_ensemble_that_is_not_there_is_named_with_those_that_are():
    write(TWO)
    assert ensembles.find("two") == ensembles.find("configs/ensembles/two.yaml")
    with pytest.raises(UserError, match="no ensemble 'tow' in configs/ensembles; there are: two"):
        ensembles.find("tow")
    with pytest.raises(UserError, match=r"gs://b/two\.yaml: the file of an ensemble lies on this machine"):
        ensembles.find("gs://b/two.yaml")
    for name in (".", "..", "workspace"):  # results in `.apparel` itself, and those of the last `dvc repro`
        with pytest.raises(UserError, match="cannot be the name of results; rename the file"):
            ensembles.find(str(write(TWO, name)))


class SplitLock:
    """In place of a dvc.lock: the hashes of a split and of the photos that it divides."""

    def __init__(self, split, photos="p", revision="0123456789"):
        self.split, self.photos, self.revision = split, photos, revision
        self.stages = {"split": {}} if split else {}

    def hashes(self):
        return {paths.SPLIT.as_posix(): self.split}

    def deps(self, stage):
        assert stage in self.stages
        return {"data/shop/photos": self.photos, "apparel/data/split.py": self.split}


@pytest.fixture
def locks(monkeypatch):
    """The locks of the members by their model: one was trained with today's split, of the other nothing is known."""
    locks = {"1": SplitLock("a"), "2": None}
    monkeypatch.setattr(dvc_lock, "read_workspace", lambda: SplitLock("a"))
    monkeypatch.setattr(dvc_lock, "find_output", locks.get)
    return locks


def test_a_member_that_may_have_been_trained_on_the_photos_is_refused(locks):
    loaded = ensembles.load(write(TWO))
    assert ensembles.check_not_seen(loaded, "test") == [
        "whether these members were trained on photos of test or val cannot be told: lite"
    ]
    for lock in (SplitLock("b", photos="other"), SplitLock("b", revision=None)):
        locks["2"] = lock
        with pytest.raises(UserError, match=r"member lite: it was trained with another split .* may be among"):
            ensembles.check_not_seen(loaded, "test")
    locks["2"] = SplitLock("a")
    assert ensembles.check_not_seen(loaded, "test") == []


def test_without_a_split_in_the_workspaces_lock_members_are_refused(locks, monkeypatch):
    monkeypatch.setattr(dvc_lock, "read_workspace", lambda: SplitLock(None))
    with pytest.raises(UserError, match="member six: it was trained with another split"):
        ensembles.check_not_seen(ensembles.load(write(TWO)), "test")


@pytest.mark.parametrize(
    ("then", "judged", "said"),
    [
        ({"a": "train", "b": "val"}, "test", []),  # a fold, whose test is today's
        ({"a": "train", "c": "val"}, "test", ["these members were trained on photos of val, whose figures .*: lite"]),
        ({"a": "train", "c": "val"}, "val", "photos of val are among those"),
        ({"a": "train", "d": "val"}, "test", "photos of test are among those"),
    ],
)
def test_a_member_of_another_split_is_taken_if_it_has_not_seen_what_is_judged(
    locks, monkeypatch, tmp_path, then, judged, said
):
    def table(splits):
        return "".join(f"{name}.jpg,{split}\n" for name, split in ({"f": "test"} | splits).items())

    now = {"a": "train", "b": "train", "c": "val", "d": "test"}
    (tmp_path / paths.SPLIT).mkdir(parents=True)
    (tmp_path / paths.SPLIT / "photos.csv").write_text("filename,split\n" + table(now))
    monkeypatch.setattr(dvc.api, "DVCFileSystem", lambda rev: rev)
    monkeypatch.setattr(
        result_sets,
        "fetch_output",
        lambda files, path, target, name: target.write_text("filename,split\n" + table(then)),
    )
    locks["2"] = SplitLock("b")
    loaded = ensembles.load(write(TWO))
    if isinstance(said, str):
        with pytest.raises(UserError, match=said):
            ensembles.check_not_seen(loaded, judged)
        return
    notes = ensembles.check_not_seen(loaded, judged)
    assert len(notes) == len(said) and all(map(re.match, said, notes))
