"""What a model card says of data, licences and lineage, and `unknown` where nothing is recorded."""

import json
from types import SimpleNamespace

from apparel.analysis import card_sources
from apparel.tracking.reader import StoredRun
from tests.support.result_sets import finds, result_set

TAGS = {
    "mlflow.source.git.commit": "1" * 40,
    "git.dirty": "true",
    "machine.cpu": "a processor",
    "machine.os": "Linux",
    "version.tensorflow": "2.20.0",
}
FILES = {
    "data/results/split/summary.csv": b"class,counts_train,counts_val,counts_test,total\nTops,3,1,2,6\n",
    "data/results/split/photos.csv": b"filename,width,height,split\na,1,1,train\nb,1,1,train\nc,1,1,test\n",
    "data/shop/source.json": json.dumps(
        {"source": "https://me:secret@example.org/shop.git", "revision": "abc", "licence": "CC-BY-4.0"}
    ).encode(),
    "data/pretrained/coco.source.json": json.dumps({"source": "https://example.org/coco"}).encode(),
}


def find(monkeypatch, files, tags, **params):
    monkeypatch.setattr(
        card_sources, "_FileReader", lambda *_: SimpleNamespace(read=lambda path: files.get(path.as_posix()))
    )
    results = result_set("new", finds([]), params={name.replace("_", ".", 1): value for name, value in params.items()})
    run = StoredRun("f" * 32, "a run", "FINISHED", {}, tags, {}, {})
    return card_sources.find(results, run, None)


def test_what_is_recorded(monkeypatch):
    sources = find(monkeypatch, FILES, TAGS, data_name="shop", train_checkpoint="coco")
    assert sources.counts == [("Tops", "3", "1", "2", "6")]
    assert sources.photos_text.startswith("Photos: 2 in train, 1 in test.")
    (_, of_data, data_licence), (_, of_weights, weights_licence) = sources.licences
    assert data_licence == "CC-BY-4.0" and "example.org/shop.git abc" in of_data and "secret" not in of_data
    assert (of_weights, weights_licence) == ("https://example.org/coco", "unknown")
    lineage = dict(sources.lineage)
    assert lineage["commit that trained it"] == "1" * 40
    assert lineage["uncommitted changes then"].startswith("yes")
    assert lineage["machine"] == "a processor, Linux" and lineage["versions"] == "tensorflow 2.20.0"


def test_what_is_not_recorded_is_unknown(monkeypatch):
    sources = find(monkeypatch, {"data/shop/source.json": b"[]"}, {}, data_name="shop", train_checkpoint="coco")
    assert sources.counts is None and sources.photos_text == ""
    assert [row[1:] for row in sources.licences] == [("unknown", "unknown")] * 2
    lineage = dict(sources.lineage)
    assert {lineage[name] for name in ("commit that trained it", "uncommitted changes then", "versions")} == {"unknown"}


def test_drawn_photos_and_random_weights(monkeypatch):
    sources = find(monkeypatch, FILES, TAGS, data_name="demo", train_checkpoint="none")
    assert [row[2] for row in sources.licences] == ["that of this project, see LICENSE", "none needed"]


def test_files_are_read_at_the_commit_and_here_only_with_the_model_that_is_here(two_results, monkeypatch):
    monkeypatch.chdir(two_results)
    here = card_sources.dvc_lock.read_workspace().hashes()["data/results/train/model"]
    path = card_sources.Path("apparel/evaluation/metrics.py")
    assert card_sources._FileReader(None, here).read(path) == b"changed = True\n"
    assert card_sources._FileReader("HEAD~1", "0.dir").read(path) == b""
    assert card_sources._FileReader(None, "0.dir").read(path) is None
    assert card_sources._FileReader("HEAD", here).read(card_sources.SUMMARY) is None


def test_unlabelled_photos_have_a_licence_too(monkeypatch):
    more = {"data/unlabelled/more.source.json": json.dumps({"source": "more.zip", "licence": "CC0"}).encode()}
    sources = find(monkeypatch, FILES | more, TAGS, data_name="shop", data_unlabelled="more", train_checkpoint="none")
    assert sources.licences[-1] == ("photos more", "more.zip", "CC0")
