"""Contents that dvc.lock names: in the workspace, in DVC's cache or in git, and what is wrong with them."""

import re
import shutil

import pytest

from apparel.analysis import trace
from apparel.versioning import dvc_hash
from tests.support import three_stage_project, traced_project
from tests.support.traced_project import DETECTIONS, MODEL, cached, edit, links, problems


@pytest.fixture
def shop(traced, tmp_path, monkeypatch):
    return traced_project.enter_copy(traced, tmp_path / "shop", monkeypatch)


def test_a_folder_is_hashed_as_dvc_does(shop):
    recorded = [link for link in trace.trace("HEAD").links if link.value.endswith(".dir") and link.kind != "code"]
    assert len(recorded) >= 4
    for link in recorded:
        assert dvc_hash.path_hash(shop[0] / link.name) == link.value


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


def test_an_older_commit_is_looked_up_in_the_cache(shop):
    before = links(DETECTIONS)["model"][0]
    copy = shutil.copy(DETECTIONS, shop[0].parent)
    edit(shop[0] / "params.yaml", "data:\n  name: shop\ntrain:\n  seed: 5\n")
    three_stage_project.dvc(shop[0], "repro", "--quiet")
    three_stage_project.commit(shop[0], "five")
    after = links(copy)
    assert (after["model"][0].value, after["model"][0].where) == (before.value, "cache")
    assert not problems(copy)


def test_a_result_that_is_gone_is_looked_up_in_the_cache(shop):
    in_cache = cached(shop[0], dvc_hash.file_md5(shop[0] / DETECTIONS))
    (shop[0] / DETECTIONS).unlink()
    assert links(DETECTIONS)["results"][0].where == "cache"
    in_cache.unlink()
    assert f"dvc pull {DETECTIONS}" in problems(DETECTIONS)["results"]
