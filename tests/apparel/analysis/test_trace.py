import json
import os
import re
import shutil
from argparse import Namespace

import pytest

from apparel.analysis import trace, trace_text
from apparel.cli import trace as command
from apparel.errors import UserError
from apparel.tracking.server import LOCAL_SERVER, connect, tracking_uri
from apparel.versioning import dvc_hash, dvc_lock
from tests.support import project_copy, three_stage_project

DETECTIONS = "data/results/eval/detections.csv"
METRICS = "data/results/eval/metrics.json"
MODEL = "data/results/train/model"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project that ran, and its MLflow run's id."""
    folder = three_stage_project.make(tmp_path_factory.mktemp("made"))
    head = project_copy.git(folder, "rev-parse", "HEAD").strip()
    tags = {"mlflow.source.git.commit": head, "git.dirty": "false", "version.python": "3.11", "machine.cores": "2"}
    tags |= {MODEL: dvc_hash.path_hash(folder / MODEL)}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        client = connect(LOCAL_SERVER)
        experiment = client.create_experiment("shop", "mlartifacts/1")
        run = client.create_run(experiment, tags=tags, run_name="first").info.run_id
        client.log_param(run, "train.seed", 0)
        client.set_terminated(run)
    project_copy.git(folder, "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/six", "HEAD")
    return folder, run


@pytest.fixture
def shop(made, tmp_path, monkeypatch):
    """A copy of it, as the current folder; and the run's id."""
    folder = tmp_path / "shop"
    shutil.copytree(made[0], folder)
    monkeypatch.chdir(folder)
    # By its full path: MLflow keeps connections by address, and would continue with the database of another test.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{(folder / 'mlflow.db').as_posix()}")
    return folder, made[1]


def links(what) -> dict[str, list]:
    by_kind: dict[str, list] = {}
    for link in trace.trace(str(what)).links:
        by_kind.setdefault(link.kind, []).append(link)
    return by_kind


def problems(what) -> dict[str, str]:
    return {link.kind: link.problem for link in trace.trace(str(what)).broken}


def test_a_prediction_file_leads_back_to_photos_parameters_commit_run_and_machine(shop):
    chain = trace.trace(DETECTIONS)
    assert not chain.broken
    kinds = [link.kind for link in chain.links]
    assert kinds.index("photos") < kinds.index("labels") < kinds.index("model") < kinds.index("results")
    assert {"annotations", "source", "run", "commit", "lock", "code"} <= set(kinds)
    photos = next(link for link in chain.links if link.kind == "photos")
    assert photos.files["one.jpg"] == dvc_hash.bytes_md5(b"photo one")
    assert chain.parameters == {"data.name": "shop", "train.seed": 0}
    assert (chain.packages, chain.machine) == ({"python": "3.11"}, {"cores": "2"})


def test_each_way_to_name_a_result_finds_the_same_chain(shop):
    copy = shutil.copytree(MODEL, shop[0].parent / "received")
    head = project_copy.git(shop[0], "rev-parse", "HEAD").strip()
    by_name = {
        what: links(what) for what in (MODEL, str(copy), shop[1], "six", head[:8], "data/results/eval/metrics.json")
    }
    for what, by_kind in by_name.items():
        assert by_kind["photos"] == by_name[MODEL]["photos"], what
        assert by_kind["run"][0].name == shop[1], what
        assert [link.name for link in by_kind["model"]] == [MODEL], what


def test_a_folder_is_hashed_as_dvc_does(shop):
    recorded = [link for link in trace.trace("HEAD").links if link.value.endswith(".dir") and link.kind != "code"]
    assert len(recorded) >= 4
    for link in recorded:
        assert dvc_hash.path_hash(shop[0] / link.name) == link.value


def edit(path, text="edited"):
    path.unlink(missing_ok=True)  # read-only in DVC's cache
    path.write_text(text, encoding="utf-8")


def cached(folder, link):
    return folder / ".dvc" / "cache" / "files" / "md5" / link[:2] / link[2:]


def lose_model(folder):
    weights = dvc_hash.file_md5(folder / MODEL / "weights.txt")
    shutil.rmtree(folder / MODEL)
    cached(folder, weights).unlink()


def damage_model(folder):
    weights = dvc_hash.file_md5(folder / MODEL / "weights.txt")
    shutil.rmtree(folder / MODEL)
    edit(cached(folder, weights))


def damage_model_twice(folder):
    weights = folder / MODEL / "weights.txt"
    edit(cached(folder, dvc_hash.file_md5(weights)))
    edit(weights)


FAULTS = {
    "photo edited": (lambda at: edit(at / "data/shop/photos/one.jpg"), "photos", "one.jpg.*dvc checkout.*takes it as"),
    "model edited": (lambda at: edit(at / MODEL / "weights.txt"), "model", f"weights.txt.*dvc checkout {MODEL}`$"),
    "model edited, cache, too": (damage_model_twice, "model", "damaged in DVC's cache: weights.txt.*delete"),
    "photo added": (lambda at: edit(at / "data/shop/photos/new.jpg"), "photos", "new.jpg"),
    "annotation gone": (lambda at: (at / "data/shop/annotations/one.xml").unlink(), "annotations", "one.xml"),
    "another .dvc file": (lambda at: edit(at / "data/shop/photos.dvc", "outs: [{md5: 1}]"), "photos", "photos.dvc"),
    "model lost": (lose_model, "model", "lacks weights.txt.*dvc pull"),
    "cache damaged": (damage_model, "model", "damaged in DVC's cache: weights.txt.*delete"),
    "no source": (lambda at: (at / "data/shop/source.json").unlink(), "source", "not recorded"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_link_is_named_with_its_remedy(shop, fault):
    break_it, kind, words = FAULTS[fault]
    break_it(shop[0])
    edit(shop[0] / "dvc.lock", (shop[0] / "dvc.lock").read_text(encoding="utf-8") + "# not committed\n")
    by_kind = problems(DETECTIONS)
    assert list(by_kind) == [kind]
    assert re.search(words, by_kind[kind])


TAGS = {
    "unknown commit": ({"mlflow.source.git.commit": "0" * 40}, "commit", "git fetch"),
    "no commit": ({"mlflow.source.git.commit": "--help"}, "commit", "git fetch"),
    "dirty without patch": ({"git.dirty": "true"}, "changes.patch", "lost"),
    "another parameter": ({"changed.train.seed": "8"}, "run", "train.seed"),
    "other photos": ({"data/shop/photos": "1" * 32 + ".dir"}, "run", "data/shop/photos"),
}


@pytest.mark.parametrize("fault", TAGS)
def test_a_run_that_differs_from_the_lock_is_named(shop, fault):
    tags, kind, words = TAGS[fault]
    client = connect(tracking_uri())
    for name, value in tags.items():
        client.set_tag(shop[1], name, value)
    assert words in problems(DETECTIONS)[kind]


def replace(path, pattern, new):
    text, count = re.subn(pattern, new, path.read_text(encoding="utf-8"), count=1, flags=re.DOTALL)
    assert count
    edit(path, text)


LOCKS = {
    "parameter": (r"seed: 0", "seed: 3", "parameters", "train.seed.*git restore dvc.lock"),
    "parameter of one stage": (r"name: shop", "name: shoe", "parameters", "data.name"),
    "what was asked for": (rf"({DETECTIONS}\n +hash: md5\n +md5: )\w{{4}}", r"\g<1>0000", "lock", "another content"),
    "what a stage read": (rf"({MODEL}\n +hash: md5\n +md5: )\w{{4}}", r"\g<1>0000", "model", "train has made another"),
}


@pytest.mark.parametrize("fault", LOCKS)
def test_an_edited_lock_is_named(shop, fault):
    pattern, new, kind, words = LOCKS[fault]
    replace(shop[0] / "dvc.lock", pattern, new)
    assert re.search(words, problems(DETECTIONS)[kind])


def test_parameters_changed_for_the_next_run_break_nothing(shop):
    edit(shop[0] / "params.yaml", "data:\n  name: shoe\ntrain:\n  seed: 5\n")
    assert not problems(DETECTIONS)


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
    edit(tmp_path / "dvc.lock", text)
    with pytest.raises(UserError, match=r"dvc.lock of the workspace is not a valid lock of DVC.*git restore dvc.lock"):
        dvc_lock.read_workspace()


def test_code_that_no_commit_has_is_named(shop):
    edit(shop[0] / "stages" / "work.py", three_stage_project.WORK + "# edited\n")
    three_stage_project.dvc(shop[0], "commit", "--quiet", "--force")
    assert "stages/work.py" in problems(DETECTIONS)["code"]


def test_a_run_elsewhere_is_missing_and_says_where_to_look(shop, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    (shop[0] / "mlflow.db").unlink()
    assert "MLFLOW_TRACKING_URI" in problems(MODEL)["run"]


def test_a_commit_is_traced_from_its_last_stage_however_the_lock_is_ordered():
    def stage(read, made):
        return {"deps": [{"path": read, "md5": "1"}], "outs": [{"path": made, "md5": "1"}]}

    assert dvc_lock.Lock(None, {"eval": stage("model", "metrics"), "train": stage("photos", "model")}).last() == "eval"


def test_an_older_commit_is_looked_up_in_the_cache(shop):
    before = links(DETECTIONS)["model"][0]
    copy = shutil.copy(DETECTIONS, shop[0].parent)
    edit(shop[0] / "params.yaml", "data:\n  name: shop\ntrain:\n  seed: 5\n")
    three_stage_project.dvc(shop[0], "repro", "--quiet")
    three_stage_project.commit(shop[0], "five")
    after = links(copy)
    assert (after["model"][0].value, after["model"][0].where) == (before.value, "cache")
    assert not problems(copy)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("sixx", "did you mean 'six'"),
        ("0" * 32, "no run 0000"),
        ("--all", "no file"),
        ("params.yaml", "no commit"),
        ("", "no file"),
        ("x" * 5000, "no file"),
        ("line\nend'", "'line\\?end'' is no file"),
        (".", "the project lies in it"),
        ("..", "the project lies in it"),
        ("/dev/null", "neither a file nor a folder"),
        (f"{MODEL}/weights.txt", f"part of {MODEL}, which train made"),
        ("data/results/eval", "trace one that lies in it"),
        ("data/shop/photos", "read by stages, made by none"),
        ("stages/work.py", "read by stages, made by none"),
    ],
)
def test_what_cannot_be_found_is_refused(shop, what, words):
    with pytest.raises(UserError, match=words):
        trace.trace(what)


@pytest.mark.parametrize("whole_path", [False, True])
@pytest.mark.parametrize(("name", "remedy"), [(DETECTIONS, "dvc checkout"), (METRICS, "git restore")])
def test_an_edited_result_is_reported_as_edited(shop, name, remedy, whole_path):
    edit(shop[0] / name)
    with pytest.raises(UserError, match=f"changed after it was made.*{remedy} {name}"):
        trace.trace(str(shop[0] / name) if whole_path else name)


def test_a_result_that_is_gone_is_looked_up_in_the_cache(shop):
    in_cache = cached(shop[0], dvc_hash.file_md5(shop[0] / DETECTIONS))
    (shop[0] / DETECTIONS).unlink()
    assert links(DETECTIONS)["results"][0].where == "cache"
    in_cache.unlink()
    assert f"dvc pull {DETECTIONS}" in problems(DETECTIONS)["results"]


def test_a_run_is_found_by_its_name(shop):
    assert links("first")["run"] == links(shop[1])["run"]


def test_a_store_of_mlflow_that_is_damaged_is_a_broken_link(shop):
    edit(shop[0] / "mlflow.db", "junk" * 1000)
    assert "cannot be read" in problems(DETECTIONS)["run"]


@pytest.mark.parametrize("part", [".dvc", ".git"])
def test_outside_of_a_project_one_line_says_so(shop, part):
    shutil.rmtree(shop[0] / part)
    with pytest.raises(UserError, match="DVC cannot open the project"):
        trace.trace(DETECTIONS)


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
