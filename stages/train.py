"""Trains a detector and keeps its best weights on val: `python -m stages.train`, or `dvc repro train`."""

from pathlib import Path

from apparel import errors, exclusive, files, inputs, packing, params, paths, recorded, tables, tracking, training


@exclusive.stage("train")
def main() -> None:
    """params.yaml, TFRecords, a pipeline file and a starting checkpoint -> model, history.csv, val.json."""
    chosen = params.load()
    index = packing.check(paths.TFRECORD)
    recorded.check(paths.PRETRAINED / chosen.train.checkpoint)
    name = training.key(chosen)
    with training.under_way(name) as folder, tracking.open_run(chosen, name) as run:
        progress, detector = train(chosen, index, folder, run)
        detector.save(paths.MODEL)
        tables.write(training.history_table(progress), paths.HISTORY)
        files.write_json(paths.VAL_METRICS, training.val_metrics(progress))
        run.trained(paths.MODEL)
        run.file(paths.HISTORY)
        run.folder(paths.MODEL, "model")
        run.model(paths.MODEL, inputs.first_photo(index, "val"))
    best = progress.best
    print(f"val/mAP50 {best['val/mAP50']:.3f} at step {best['step']}; the weights of that step are {paths.MODEL}")


def train(chosen: params.Params, index: dict, folder: Path, run: tracking.Run) -> tuple:
    """One training, from its starting weights or its last checkpoint; returns its progress and the detector."""
    from apparel import memory, pipeline, starting
    from apparel.compat import augmentation, determinism
    from apparel.detector import Detector
    from apparel.reports import Reports
    from apparel.sweeps import signals

    memory.keep()
    determinism.enable(chosen.train.seed)
    steps = pipeline.steps_of(chosen.train, index["splits"]["train"]["photos"])
    config = pipeline.merge(chosen.train, len(chosen.data.classes), steps)
    augmentation.check(list(config.train_config.data_augmentation_options))
    detector = Detector(config, chosen.data.classes)
    starting.load(detector, chosen.train)
    begun = training.Training(detector, index, chosen.train, folder)
    with Reports(run, paths.LOCAL / "tensorboard" / run.title, steps) as report:
        return begun.run(signals.connect(report, run.id, begun.validation_at)), detector


if __name__ == "__main__":
    errors.script(main, __doc__)
