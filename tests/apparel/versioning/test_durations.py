from apparel.versioning import durations


def test_the_last_duration_of_each_stage_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(durations, "FILE", tmp_path / "durations.json")
    assert durations.read() == {}
    durations.record("train", 61.26)
    durations.record("eval", 5)
    durations.record("train", 40)
    assert durations.read() == {"train": 40.0, "eval": 5.0}
    durations.FILE.write_text('{"train": "long"}')
    assert durations.read() == {}
    durations.record("eval", 7)
    assert durations.read() == {"eval": 7.0}
