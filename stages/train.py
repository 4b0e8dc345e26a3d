"""Trains a detector and keeps its best weights on val: `python -m stages.train`, or `dvc repro train`."""

import os
from pathlib import Path

from apparel import errors, params, paths
from apparel.data.index import Index, read_index
from apparel.models import anchors, fitted_anchors, inputs, pipeline_config
from apparel.models.criterion import criterion_of
from apparel.models.detector import Detector
from apparel.models.tfod import augmentation, determinism
from apparel.models.tfod.pipeline_file import PipelineConfig
from apparel.models.thresholds import Thresholds
from apparel.models.weights import load_pretrained_weights
from apparel.tracking import runs
from apparel.training import cluster, loop, memory, trial_messages
from apparel.training.checkpoints import checkpoint_folder, training_key
from apparel.training.cluster import Cluster
from apparel.training.progress import ProgressReport
from apparel.training.replicas import Replicas, watched
from apparel.utils import csv_tables, files
from apparel.versioning import integrity, stage_inputs
from apparel.versioning.stage import stage


def main() -> None:
    """params.yaml, TFRecords, a pipeline file and pretrained weights -> model, history.csv, val.json."""
    machine = cluster.of_training()
    with stage("train", machine.rank):
        config = params.load()
        index = read_index(paths.TFRECORD)
        integrity.check_tracked(paths.PRETRAINED / config.train.checkpoint)
        key = training_key(config)
        stage_inputs.check_unchanged("train")  # the key is of the code and the data that were read
        with watched(machine):
            (_train_as_chief if machine.is_chief else _train_for_chief)(config, index, key, machine)


def _train_as_chief(config: params.Params, index: Index, key: str, machine: Cluster) -> None:
    with checkpoint_folder(key) as folder:
        with runs.open_run(config, key) as run:
            training = prepare(config, index, folder, machine)
            training.replicas.check_same(key)
            with ProgressReport(run, paths.LOCAL / "tensorboard" / run.title, training.steps) as report:
                progress = training.run(trial_messages.connect(report, run.id, training.validation_at))
            thresholds = Thresholds.from_plain(progress.thresholds, training.detector.classes, str(folder))
            training.detector.save(paths.MODEL, thresholds)
            csv_tables.write(loop.history_table(progress), paths.HISTORY)
            files.write_json(paths.VAL_METRICS, loop.val_metrics(progress))
            stage_inputs.check_unchanged("train")  # before MLflow hears of a model that is not recorded
            run.record_model(paths.MODEL)
            run.log_file(paths.HISTORY)
            run.log_folder(paths.MODEL, "model")
            run.log_model(paths.MODEL, inputs.first_photo(index, "val"))
        stage_inputs.check_unchanged("train")  # as long as there are checkpoints to resume from
    best = progress.best
    print(f"val/mAP50 {best['val/mAP50']:.3f} at step {best['step']}; the weights of that step are {paths.MODEL}")


def _train_for_chief(config: params.Params, index: Index, key: str, machine: Cluster) -> None:
    """This machine's branches of each batch; the chief has the checkpoints and writes the results.

    Raises:
        UserError: DVC runs the stage, and would look for the results in vain.
    """
    if "DVC_STAGE" in os.environ:
        raise errors.UserError(
            f"machine {machine.rank} of {machine.size} helps machine 0, which writes the model: run "
            "`python -m stages.train` here, and `dvc repro` on machine 0 alone"
        )
    training = prepare(config, index, paths.LOCAL / "training" / key, machine)
    training.replicas.check_same(key)
    training.run(lambda step, values: None)
    print(f"machine {machine.rank} of {machine.size} did its part; the model is on machine 0")


def prepare(config: params.Params, index: Index, folder: Path, machine: Cluster) -> loop.Training:
    """A training with its starting weights."""
    memory.keep_freed_memory()
    determinism.enable(config.train.seed)
    replicas = Replicas(config.train.replicas, machine)
    steps = pipeline_config.steps_of(config.train, index.splits["train"].photos)
    merged = pipeline_config.merge(config.train, len(config.data.classes), steps)
    if config.train.anchors == "fitted":
        _fit_anchors(merged, config.train, index)
    augmentation.check_steps(list(merged.train_config.data_augmentation_options))
    detector = Detector(merged, config.data.classes, criterion_of(merged, config.train))
    load_pretrained_weights(detector, config.train)
    return loop.Training(detector, index, config.train, folder, replicas)


def _fit_anchors(merged: PipelineConfig, train: params.Train, index: Index) -> None:
    """Replaces the anchors of the merged pipeline file, and prints how well they fit."""
    before = anchors.anchor_shapes(merged, train.resolution)
    sizes = {split: inputs.box_sizes(index, merged, split) for split in ("train", "val")}
    fitted_anchors.fit_anchors(merged, train.resolution, sizes["train"], train.seed)
    after = anchors.anchor_shapes(merged, train.resolution)
    print(fitted_anchors.describe_fit(before, after, sizes["val"]))


if __name__ == "__main__":
    errors.script(main, __doc__)
