"""Progress of a training: progress bar, TensorBoard files, and metrics of the run in MLflow."""

import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import tensorflow as tf
from tqdm import tqdm

from apparel.tracking.runs import Run
from apparel.training.bucket_checkpoints import BucketCurves

STEPS_BETWEEN_METRICS = 10
"""Steps between metrics for TensorBoard and MLflow: smooth curves in small files."""


class ProgressReport:
    """A report for `Training.run`.

    Args:
        run: the run in MLflow.
        folder: for TensorBoard's files; `train` and `val` have one folder each, so that their curves share a chart.
        steps: of the training, at most.
    """

    def __init__(self, run: Run, folder: Path, steps: int):
        self._run = run
        seconds = 0.5 if sys.stderr.isatty() else 30  # few lines in a log file
        self._bar = tqdm(total=steps, unit=" steps", desc="train", mininterval=seconds)
        self._writers = {split: tf.summary.create_file_writer(str(folder / split)) for split in ("train", "val")}
        self._curves = BucketCurves(folder)

    def __call__(self, step: int, values: dict[str, float]) -> None:
        """Shows and stores the metrics measured at a step."""
        if "val/mAP50" in values:
            tqdm.write(f"step {step}: val/mAP50 {values['val/mAP50']:.3f}, val/loss {values['val/loss']:.3f}")
        else:
            # A resumed training did not make the earlier steps in this process; a disabled bar has no `initial`.
            self._bar.initial = getattr(self._bar, "initial", 0) or step - 1
            self._bar.n = step
            speed = f"{values['images_per_second']:.0f} images/s"
            self._bar.set_postfix_str(f"{speed}, loss {values['train/loss']:.3f}", refresh=False)
            self._bar.update(0)
        if "val/mAP50" in values or step % STEPS_BETWEEN_METRICS == 0 or step == 1:
            self._run.log_metrics(values, step)
            self._write(step, values)
        if "val/mAP50" in values:
            for writer in self._writers.values():
                writer.flush()
            self._curves.send()

    def _write(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            split, _, rest = name.partition("/")
            with self._writers.get(split, self._writers["train"]).as_default(step):
                tf.summary.scalar(rest if split in self._writers else name, value)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._bar.close()
        for writer in self._writers.values():
            writer.close()
        self._curves.finish()
