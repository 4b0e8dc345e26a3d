import subprocess
import sys

import pytest

from apparel.data.ingest import sources, weights
from apparel.errors import UserError
from tests.support.repository import PRETRAINED, ROOT


@pytest.fixture
def zoo(tmp_path):
    """A checkpoint as the model zoo packs it, with another number and an exported model beside it."""
    import tensorflow as tf

    folder = tmp_path / "ssd"
    variables = {"a": tf.Variable(tf.random.stateless_normal([20, 30], [0, 0])), "b": tf.Variable(7)}
    tf.train.Checkpoint(**variables).write(str(folder / "checkpoint" / "ckpt-3"))
    (folder / "pipeline.config").write_text("model {}")
    (folder / "saved_model" / "variables").mkdir(parents=True)
    (folder / "saved_model" / "variables" / "variables.index").write_text("")
    return folder


def import_weights(folder, tmp_path):
    opened = sources.open_source(str(folder), None, (), tmp_path / "work")
    target = tmp_path / "staged" / "weights"
    target.parent.mkdir(parents=True)
    weights.copy_checkpoint(weights.find_checkpoint(opened.entries), target, tmp_path / "work")
    return target


def test_a_zoo_checkpoint_is_imported_under_the_name_that_training_reads(zoo, tmp_path):
    import tensorflow as tf

    imported = import_weights(zoo, tmp_path)
    names = {path.relative_to(imported).as_posix() for path in imported.rglob("*") if path.is_file()}
    data, index = "checkpoint/ckpt-0.data-00000-of-00001", "checkpoint/ckpt-0.index"
    assert names == {data, index, "checkpoint/checkpoint", "pipeline.config"}
    assert tf.train.latest_checkpoint(str(imported / "checkpoint")).endswith("ckpt-0")
    assert tf.train.load_variable(str(imported / "checkpoint" / "ckpt-0"), "b/.ATTRIBUTES/VARIABLE_VALUE") == 7


def test_no_tensorflow_is_imported_to_check_a_checkpoint(zoo, tmp_path):
    program = (
        "import sys; from pathlib import Path; from apparel.data.ingest import sources, weights\n"
        "source, folder = map(Path, sys.argv[1:])\n"
        "entries = sources.open_source(str(source), None, (), folder / 'work').entries\n"
        "weights.copy_checkpoint(weights.find_checkpoint(entries), folder / 'weights', folder / 'work')\n"
        "assert (folder / 'weights' / 'pipeline.config').is_file()\n"
        "assert not {'tensorflow', 'tf_keras', 'h5py'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program, str(zoo), str(tmp_path)], check=True, cwd=ROOT)


def damage(zoo, how):
    data = zoo / "checkpoint" / "ckpt-3.data-00000-of-00001"
    if how == "changed byte":
        content = bytearray(data.read_bytes())
        content[100] ^= 1
        data.write_bytes(bytes(content))
    elif how == "truncated":
        data.write_bytes(data.read_bytes()[:-50])
    elif how == "no data":
        data.unlink()
    elif how == "missing shard":
        data.rename(zoo / "checkpoint" / "ckpt-3.data-00000-of-00002")
    elif how == "no index":
        (zoo / "checkpoint" / "ckpt-3.index").unlink()
    elif how == "index is noise":
        (zoo / "checkpoint" / "ckpt-3.index").write_bytes(b"noise" * 100)
    elif how == "no pipeline":
        (zoo / "pipeline.config").unlink()
    elif how == "two checkpoints":
        (zoo / "checkpoint" / "ckpt-4.index").write_bytes(b"")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("changed byte", "damaged checkpoint"),
        ("truncated", "damaged checkpoint"),
        ("no data", "0 of 1 data files of the checkpoint are in the source"),
        ("missing shard", "1 of 2 data files of the checkpoint are in the source"),
        ("no index", "no checkpoint among the files"),
        ("index is noise", "damaged checkpoint"),
        ("no pipeline", "no pipeline.config"),
        ("two checkpoints", "several checkpoints: checkpoint/ckpt-3.index, checkpoint/ckpt-4.index"),
    ],
)
def test_an_incomplete_or_damaged_checkpoint_is_refused(zoo, tmp_path, how, message):
    damage(zoo, how)
    with pytest.raises(UserError, match=message):
        import_weights(zoo, tmp_path)


def test_a_keras_file_is_imported_under_its_name_and_a_damaged_one_is_refused(tmp_path):
    import h5py

    (tmp_path / "keras").mkdir()
    path = tmp_path / "keras" / "mobilenet.h5"
    with h5py.File(path, "w") as file:
        file["layer/kernel"] = range(10_000)
    with pytest.raises(UserError, match="does not hold weights as Keras saves them"):
        import_weights(path.parent, tmp_path / "1")
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = [b"layer"]
    assert [file.name for file in import_weights(path, tmp_path / "2").iterdir()] == ["mobilenet.h5"]
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"mobilenet\.h5 is damaged"):
        import_weights(path, tmp_path / "3")


@pytest.mark.shared("pretrained")
@pytest.mark.parametrize("name", ["ssd_mobilenet_v1_0.75_coco", "mobilenet_1_0_224_tf_no_top.h5"])
def test_the_shared_checkpoints_are_imported(tmp_path, name):
    assert any(import_weights(PRETRAINED / name, tmp_path).iterdir())
