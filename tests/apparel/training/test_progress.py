"""Progress of a training: curves for TensorBoard, and metrics of the run."""

from pathlib import Path

import pytest
import tensorflow as tf

from apparel.training.progress import ProgressReport


class Run:
    """Stands in for `apparel.tracking.runs.Run`."""

    def __init__(self) -> None:
        self.logged: dict[int, list[dict[str, float]]] = {}

    def log_metrics(self, values: dict[str, float], step: int) -> None:
        self.logged.setdefault(step, []).append(values)


def curves(folder: Path) -> dict[str, dict[int, float]]:
    """The values by step that TensorBoard shows, by the curve's name."""
    values: dict[str, dict[int, float]] = {}
    for file in folder.iterdir():
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                values.setdefault(value.tag, {})[event.step] = float(tf.make_ndarray(value.tensor))
    return values


def test_curves_have_the_first_step_every_tenth_and_each_validation(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    run, validation = Run(), {"val/mAP50": 0.5, "val/loss": 2.0}
    with ProgressReport(run, tmp_path, 20) as report:
        for step in range(1, 21):
            report(step, {"train/loss": 1 / step, "images_per_second": 64.0})
            if step == 15:
                report(step, validation)
    assert sorted(run.logged) == [1, 10, 15, 20]
    assert run.logged[15] == [validation]
    assert run.logged[10] == [{"train/loss": 0.1, "images_per_second": 64.0}]
    train = curves(tmp_path / "train")
    assert train["loss"] == pytest.approx({1: 1.0, 10: 0.1, 20: 0.05})
    assert train["images_per_second"] == {1: 64.0, 10: 64.0, 20: 64.0}
    assert curves(tmp_path / "val") == {"mAP50": {15: 0.5}, "loss": {15: 2.0}}
    assert "step 15: val/mAP50 0.500, val/loss 2.000" in "".join(capsys.readouterr())
