"""Speed of detection on a split, as eval and each validation do it, beside its network alone; what follows it apart."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from apparel import params, paths
from apparel.data.index import read_index
from apparel.evaluation import evaluate, intervals, metrics, report
from apparel.evaluation.choose_thresholds import choose_thresholds
from apparel.inference.split_detections import EVALUATION_BATCH_SIZE, ScoredSplit, detect_split
from apparel.models import inputs
from apparel.models.detector import Detector, load_detector
from apparel.models.tfod import determinism
from apparel.models.thresholds import read_thresholds
from benchmarks import side_by_side
from benchmarks.side_by_side import Row

SPLIT = "test"

NETWORK = "network alone: no decoding, losses or post-processing"
"""The forward pass on batches that are decoded and resized already."""


def measure(rounds: int) -> list[Row]:
    """The trained model of the workspace on its test split.

    Raises:
        UserError: there is no trained model, or there are no TFRecords.
    """
    config, index = params.load(), read_index(paths.TFRECORD)
    determinism.enable(config.train.seed)
    detector = load_detector(paths.MODEL)
    batches = list(inputs.evaluation_batches(index, detector.config, SPLIT, EVALUATION_BATCH_SIZE))
    forward = tf.function(detector._predict, autograph=False)
    ways: dict[str, Callable[[], object]] = {
        "eval: decode, detect, tables": lambda: detect_split(detector, index, SPLIT, with_loss=False),
        NETWORK: lambda: [_wait(forward(batch["image"], batch["true_shape"])) for batch in batches],
        "network with losses and post-processing": lambda: [_wait(detector.evaluate(batch)) for batch in batches],
    }
    ways["validation: the same with the loss"] = lambda: detect_split(detector, index, SPLIT)
    ways |= _following(detector, detect_split(detector, index, SPLIT), inputs.record_files(index, SPLIT))
    seconds, processor = side_by_side.time_in_turns(ways, rounds)
    photos = index.splits[SPLIT].photos
    work = (
        f"{photos} photos, {config.train.detector} at {detector.resolution} pixels, batches of {EVALUATION_BATCH_SIZE}"
    )
    return [
        *_rows(seconds, work, photos),
        *_rows(processor, f"{work}; a second of the processor, of all threads", photos),
    ]


def _rows(seconds: side_by_side.Seconds, work: str, photos: int) -> list[Row]:
    """Detection beside its two networks; what follows it beside the network alone."""
    first, alone, whole, *following = seconds
    detection = side_by_side.rows({name: seconds[name] for name in (first, alone, whole)}, work, photos)
    return detection + [Row(name, alone, seconds[name], seconds[alone], work, photos) for name in following]


def _following(detector: Detector, scored: ScoredSplit, records: Sequence[str]) -> dict[str, Callable[[], object]]:
    """What eval and validations do with the detections."""
    truth, classes = scored.ground_truth, detector.classes
    thresholds = read_thresholds(paths.MODEL, classes).by_class
    matched = metrics.match_detections(truth, scored.detections)
    measured = evaluate.measure_split(scored, SPLIT, classes, thresholds)
    picked = {name for group in evaluate.select_photos(measured, 6).values() for name in group}
    encoded = {name: image for name, image in report.encoded_images(records) if name in picked}

    def match() -> None:
        metrics.precision_recall_curves(truth, metrics.match_detections(truth, scored.detections), classes)

    return {
        "eval: matching and curves": match,
        "eval: 95% intervals": lambda: intervals.average_precision(scored.photos["filename"], truth, matched, classes),
        "eval: all metrics, with those": lambda: evaluate.measure_split(scored, SPLIT, classes, thresholds),
        "validation: score thresholds": lambda: choose_thresholds(truth, matched, classes, None),
        f"eval: {len(encoded)} pictures": lambda: [report.draw_photo(measured, *each) for each in encoded.items()],
    }


def _wait(outputs: object) -> None:
    for values in tf.nest.flatten(outputs):
        if isinstance(values, tf.Tensor):
            values.numpy()
