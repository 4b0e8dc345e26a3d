"""Trains a detector and keeps its best weights on val: `python -m stages.train`, or `dvc repro train`."""

from pathlib import Path

from apparel import errors, params, paths
from apparel.data.index import Index, read_index
from apparel.models import inputs
from apparel.tracking import runs
from apparel.training import loop
from apparel.utils import csv_tables, files
from apparel.versioning import integrity
from apparel.versioning.stage import stage


@stage("train")
def main() -> None:
    """params.yaml, TFRecords, a pipeline file and a starting checkpoint -> model, history.csv, val.json."""
    chosen = params.load()
    index = read_index(paths.TFRECORD)
    integrity.check_tracked(paths.PRETRAINED / chosen.train.checkpoint)
    name = loop.key(chosen)
    with loop.under_way(name) as folder, runs.open_run(chosen, name) as run:
        progress, detector = train(chosen, index, folder, run)
        detector.save(paths.MODEL)
        csv_tables.write(loop.history_table(progress), paths.HISTORY)
        files.write_json(paths.VAL_METRICS, loop.val_metrics(progress))
        run.record_model(paths.MODEL)
        run.log_file(paths.HISTORY)
        run.log_folder(paths.MODEL, "model")
        run.log_model(paths.MODEL, inputs.first_photo(index, "val"))
    best = progress.best
    print(f"val/mAP50 {best['val/mAP50']:.3f} at step {best['step']}; the weights of that step are {paths.MODEL}")


def train(chosen: params.Params, index: Index, folder: Path, run: runs.Run) -> tuple:
    """One training, from its starting weights or its last checkpoint; returns its progress and the detector."""
    from apparel.models import pipeline_config
    from apparel.models.detector import Detector
    from apparel.models.tfod import augmentation, determinism
    from apparel.models.weights import load_pretrained_weights
    from apparel.training import memory, trial_messages
    from apparel.training.progress import Reports

    memory.keep()
    determinism.enable(chosen.train.seed)
    steps = pipeline_config.steps_of(chosen.train, index.splits["train"].photos)
    config = pipeline_config.merge(chosen.train, len(chosen.data.classes), steps)
    augmentation.check(list(config.train_config.data_augmentation_options))
    detector = Detector(config, chosen.data.classes)
    load_pretrained_weights(detector, chosen.train)
    begun = loop.Training(detector, index, chosen.train, folder)
    with Reports(run, paths.LOCAL / "tensorboard" / run.title, steps) as report:
        return begun.run(trial_messages.connect(report, run.id, begun.validation_at)), detector


if __name__ == "__main__":
    errors.script(main, __doc__)
