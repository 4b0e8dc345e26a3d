import functools
import http.server
import io
import json
import tarfile
import threading
from pathlib import Path

import pytest
from dvc.repo import Repo
from PIL import Image

from apparel.annotations.records import Box
from apparel.data.ingest import model_zoo
from apparel.data.ingest.import_source import import_source
from apparel.data.ingest.sources import file_sha256
from apparel.data.synthetic.dataset import labelimg_xml
from apparel.errors import UserError
from tests.support import memory_bucket, project_copy

TARGET, RECORD = Path("data/shop"), Path("data/shop/source.json")


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A folder with a photo and its annotation, beside an empty project of git and DVC."""
    project, source = tmp_path / "project", tmp_path / "shop"
    (project / "data").mkdir(parents=True)
    source.mkdir()
    Image.new("RGB", (8, 6)).save(source / "0.png")
    (source / "0.xml").write_text(labelimg_xml("0.png", 6, [Box("Tops", (0, 0, 4, 4))]), encoding="utf-8")
    monkeypatch.chdir(project)
    project_copy.git(project, "init", "--quiet")
    Repo.init().close()
    return source


def test_a_dry_run_imports_nothing(source, capsys):
    assert not import_source(str(source), [str(source), None, [], None], TARGET, RECORD, checkpoint=False, dry_run=True)
    assert "nothing was imported" in capsys.readouterr().out
    assert not TARGET.exists()


def test_an_import_is_tracked_and_says_where_it_came_from(source):
    assert import_source(str(source), [str(source), None, [], None], TARGET, RECORD, checkpoint=False, dry_run=False)
    assert (TARGET / "photos" / "0.png").is_file()
    assert TARGET.joinpath("photos.dvc").is_file()
    origin = json.loads(RECORD.read_text(encoding="utf-8"))
    assert (origin["kind"], origin["counts"]["photos"]) == ("folder", 1)


def test_a_source_without_weights_is_refused(source):
    with pytest.raises(UserError):
        import_source(str(source), [str(source), None, [], None], TARGET, RECORD, checkpoint=True, dry_run=False)
    assert not TARGET.exists()


WEIGHTS = Path("data/pretrained/coco")
NAME = "ssd_mobilenet_v1_0.75_depth_coco"
FILE = "ssd_mobilenet_v1_0.75_depth_300x300_coco14_sync_2018_07_03"


@pytest.fixture
def mirror(source, tmp_path, monkeypatch):
    """A server with one archive as TensorFlow's model zoo 1 packs it, and the weights' address on it."""
    import tensorflow as tf

    made = tmp_path / FILE
    made.mkdir()
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        name = "FeatureExtractor/MobilenetV1/Conv2d_0/weights"
        tf.compat.v1.get_variable(name, initializer=tf.ones([3, 3, 3, 24]))
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(made / "model.ckpt"))
    (made / "frozen_inference_graph.pb").write_bytes(b"graph")
    (made / "saved_model").mkdir()
    (made / "pipeline.config").write_text("model { ssd { feature_extractor { depth_multiplier: 0.75 } } }")
    folder = tmp_path / "server" / "models" / "object_detection"
    folder.mkdir(parents=True)
    with tarfile.open(folder / f"{FILE}.tar.gz", "w:gz") as archive:
        archive.add(made, FILE)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "server")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv(model_zoo.MIRROR_VARIABLE, f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield folder
    server.shutdown()
    thread.join()
    server.server_close()


def import_weights(name, dry_run=False):
    record = WEIGHTS.with_name("coco.source.json")
    return import_source(name, [name, None, [], None], WEIGHTS, record, checkpoint=True, dry_run=dry_run), record


def test_weights_are_fetched_by_name_once_it_was_said_what_they_are(mirror, capsys):
    assert not import_weights(NAME, dry_run=True)[0] and not WEIGHTS.parent.exists()
    said = capsys.readouterr().out
    assert f"/models/object_detection/{FILE}.tar.gz" in said and "Apache-2.0" in said
    imported, record = import_weights(NAME)
    assert imported and {path.name for path in (WEIGHTS / "checkpoint").iterdir()} == {
        "checkpoint",
        "ckpt-0.index",
        "ckpt-0.data-00000-of-00001",
    }
    origin = json.loads(record.read_text(encoding="utf-8"))
    assert origin["source"] == f"http://download.tensorflow.org/models/object_detection/{FILE}.tar.gz"
    assert origin["sha256"] == origin["archives"][0]["sha256"] == file_sha256(mirror / f"{FILE}.tar.gz")
    assert (origin["licence"], origin["fetched_from"][:17]) == ("Apache-2.0", "http://127.0.0.1:")


def test_a_damaged_download_is_refused_and_nothing_stays(mirror):
    archive = mirror / f"{FILE}.tar.gz"
    whole = archive.read_bytes()
    pinned = mirror / "ssd_mobilenet_v1_coco_2018_01_28.tar.gz"
    pinned.write_bytes(whole)
    with pytest.raises(UserError, match="is not the file that was published"):
        import_weights("ssd_mobilenet_v1_coco")
    archive.write_bytes(b"<html>log in</html>")
    with pytest.raises(UserError, match="neither a zip nor a tar archive"):
        import_weights(NAME)
    with tarfile.open(archive, "w:gz") as repacked:
        info = tarfile.TarInfo("x.txt")
        repacked.addfile(info, io.BytesIO())
    with pytest.raises(UserError, match="no checkpoint among the files"):
        import_weights(NAME)
    archive.unlink()
    with pytest.raises(UserError, match=rf"{FILE}\.tar\.gz answers 404"):
        import_weights(NAME)
    assert not any(WEIGHTS.parent.iterdir())


def test_weights_come_from_a_mirror_in_a_bucket(mirror, monkeypatch):
    address = memory_bucket.make(monkeypatch)
    memory_bucket.fill(f"{address}/models/object_detection", mirror)
    monkeypatch.setenv(model_zoo.MIRROR_VARIABLE, address)
    imported, record = import_weights(NAME)
    origin = json.loads(record.read_text(encoding="utf-8"))
    assert imported and origin["sha256"] == file_sha256(mirror / f"{FILE}.tar.gz")
    assert origin["fetched_from"] == f"{address}/models/object_detection/{FILE}.tar.gz"
