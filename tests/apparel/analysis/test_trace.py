import re
import shutil

import pytest

from apparel.analysis import trace
from apparel.analysis.trace_link import Link
from apparel.errors import UserError
from apparel.versioning import dvc_hash
from tests.support import project_copy, traced_project
from tests.support.traced_project import DETECTIONS, METRICS, MODEL, edit, links, problems


@pytest.fixture
def shop(traced, tmp_path, monkeypatch):
    return traced_project.enter_copy(traced, tmp_path / "shop", monkeypatch)


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


@pytest.mark.parametrize(("part", "words"), [(".dvc", "DVC cannot open the project"), (".git", "no git repository")])
def test_outside_of_a_project_one_line_says_so(shop, monkeypatch, part, words):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(shop[0].parent))
    shutil.rmtree(shop[0] / part)
    with pytest.raises(UserError, match=words):
        trace.trace(DETECTIONS)


@pytest.mark.parametrize("what", [DETECTIONS, "HEAD", "six", "first", "anything"])
def test_a_clone_of_another_user_is_refused_with_git_s_remedy(shop, monkeypatch, what):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(UserError, match=f"`git config --global --add safe.directory {shop[0]}`"):
        trace.trace(what)


def test_the_record_of_imported_photos_and_weights_is_a_link_but_not_of_none(tmp_path):
    paths = ("data/unlabelled/more", "data/unlabelled/none", "data/pretrained/coco", "data/pretrained/none")
    links = [Link(trace.link_kind(path), path, "1.dir", "workspace") for path in paths]
    assert [link.kind for link in links] == ["unlabelled", "unlabelled", "start checkpoint", "start checkpoint"]
    (tmp_path / "data/unlabelled").mkdir(parents=True)
    (tmp_path / "data/unlabelled/more.source.json").write_text('{"source": "more.zip"}', encoding="utf-8")
    sources = [(link.name, link.value) for link in trace._source_links(links, tmp_path)]
    assert sources == [("data/unlabelled/more.source.json", "more.zip"), ("data/pretrained/coco.source.json", "")]
