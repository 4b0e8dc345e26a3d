"""Outboxes: appended lines, torn lines, and what was sent."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apparel.tracking.outbox import OUTBOXES, Outbox, RunHeader, find_outbox, unsent_outboxes
from tests.support.repository import ROOT

HEADER = RunHeader(server="http://127.0.0.1:1", experiment="demo", name="a run", start=1)


@pytest.fixture
def outbox(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Outbox.create(HEADER)


def test_lines_come_back_as_they_were_written(outbox):
    outbox.append("metrics", {"train/loss": 0.1, "val/loss": float("inf")}, step=3)
    outbox.append("tags", {"class": "Ropa de niño", "two lines": "a\nb"})
    metrics, tags = outbox.lines()
    assert (metrics.kind, metrics.values, metrics.step) == ("metrics", {"train/loss": 0.1, "val/loss": float("inf")}, 3)
    assert (tags.kind, tags.values, tags.step) == ("tags", {"class": "Ropa de niño", "two lines": "a\nb"}, 0)
    assert 0 < metrics.time <= tags.time


def test_lines_that_were_sent_are_not_unsent(outbox):
    for step in range(3):
        outbox.append("metrics", {"loss": 1.0}, step)
    first, *_ = outbox.unsent_lines()
    outbox.advance("abc", first.end)
    assert [line.step for line in outbox.unsent_lines()] == [1, 2]
    assert find_outbox(outbox.id).sent() == ("abc", first.end)


@pytest.mark.parametrize("record", ["", "{", "[]", '{"run": "abc"}'])
def test_a_lost_record_of_what_was_sent_sends_everything_again(outbox, record):
    outbox.append("tags", {"a": "b"})
    (outbox.folder / "sent.json").write_text(record)
    assert len(list(outbox.unsent_lines())) == 1


@given(written=st.lists(st.text(), min_size=1, max_size=5), cut=st.floats(0, 1))
def test_a_torn_last_line_is_skipped_and_harms_no_other(written, cut):
    with TemporaryDirectory() as folder:
        Path(folder, "run.json").write_text(json.dumps(vars(HEADER)))
        outbox = Outbox(Path(folder))
        for text in written:
            outbox.append("tags", {"text": text})
        ends = [line.end for line in outbox.lines()]
        path = Path(folder, "lines.jsonl")
        size = round(cut * ends[-1])
        path.write_bytes(path.read_bytes()[:size])
        whole = written[: sum(end <= size for end in ends)]
        assert [line.values["text"] for line in outbox.lines()] == whole

        outbox.append("tags", {"text": "after"})
        texts = [line.values["text"] for line in outbox.lines()]
        # A cut just before the line's end loses nothing: what follows ends it.
        assert texts in (whole + ["after"], written[: len(whole) + 1] + ["after"])


def test_only_runs_with_something_to_send_are_listed(outbox):
    outbox.append("tags", {"a": "b"})
    done = Outbox.create(HEADER)
    done.append("tags", {"a": "b"})
    done.advance("abc", (done.folder / "lines.jsonl").stat().st_size)
    (OUTBOXES / "half-made").mkdir()
    assert [unsent.id for unsent in unsent_outboxes()] == [outbox.id]


def test_a_killed_writer_leaves_complete_lines(outbox):
    script = (
        "import sys; from pathlib import Path; from apparel.tracking.outbox import Outbox\n"
        "outbox = Outbox(Path(sys.argv[1])); step = 0\n"
        "while True:\n"
        "    outbox.append('metrics', {'loss': 0.5}, step, durable=False); step += 1\n"
        "    if step == 200: print('ready', flush=True)\n"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", script, str(outbox.folder.resolve())], cwd=ROOT, stdout=subprocess.PIPE
    )
    writer.stdout.readline()
    os.kill(writer.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    writer.wait()
    writer.stdout.close()
    steps = [line.step for line in outbox.lines()]
    assert len(steps) >= 200
    assert steps == list(range(len(steps)))


def test_a_password_that_an_older_version_kept_is_deleted(outbox):
    record = outbox.folder / "run.json"
    record.write_text(record.read_text().replace("http://", "http://me:sec@ret@"))
    assert find_outbox(outbox.id).header == HEADER
    assert "ret@" not in record.read_text()
