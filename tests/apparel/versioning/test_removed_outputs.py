from apparel.versioning import removed_outputs

LOCK = """
schema: '2.0'
stages:
  train:
    cmd: python -m stages.train
    deps: [{path: data/results/tfrecord, md5: 0123456789abcdef0123456789abcdef.dir}]
    outs: [{path: data/results/train/model, md5: 0123456789abcdef0123456789abcdef.dir}]
"""


def test_the_outputs_that_are_missing_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "train")
    assert removed_outputs.way_back("train") == ""
    (tmp_path / "dvc.lock").write_text(LOCK, encoding="utf-8")
    assert "DVC removed data/results/train/model, which is not lost" in removed_outputs.way_back("train")
    assert removed_outputs.way_back("eval") == ""
    (tmp_path / "data/results/train/model").mkdir(parents=True)
    assert removed_outputs.way_back("train") == ""


def test_nothing_is_said_where_dvc_removed_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_STAGE", raising=False)
    (tmp_path / "dvc.lock").write_text(LOCK, encoding="utf-8")
    assert removed_outputs.way_back("train") == ""
