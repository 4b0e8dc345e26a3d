from pathlib import Path

import pytest

from tests.support import project_copy, tiny_detector


@pytest.mark.slow
def test_the_benchmark_trains_in_four_ways(tmp_path: Path) -> None:
    folder = project_copy.copy(tmp_path)
    small = {"resolution": tiny_detector.SIDE, "depth_multiplier": 0.25, "batch_size": 2, "checkpoint": "none"}
    project_copy.set_params(folder / "params.yaml", train=small)
    tiny_detector.records(folder)
    done = project_copy.run(folder, "benchmarks", "train", "--steps", "1", "--rounds", "1")
    assert done.returncode == 0, done.stdout
    title, *ways = [line for line in done.stdout.splitlines() if line.startswith(("train:", "  train"))]
    assert "1 steps of 2 photos" in title
    assert [line.strip().split("  ")[0] for line in ways] == [
        "train",
        "train, same batch at each step",
        "train, not deterministic",
        "train, memory returned",
    ]
    assert not (folder / ".apparel/training").exists()
