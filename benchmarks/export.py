"""Speed of a detector in TensorFlow beside its exports: SSD MobileNet v1 0.75 at 300 pixels, in turn.

With the weights of COCO where they are imported (`CHECKPOINTS`), else with random ones: the network takes the same
time, but random scores leave non-maximum suppression another number of boxes.
"""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from apparel import params, paths
from apparel.analysis import speed_accuracy
from apparel.errors import UserError
from apparel.evaluation.export_figures import TRAINED, format_name
from apparel.evaluation.export_metrics import installed_runtimes, size_of
from apparel.evaluation.export_page import megabytes
from apparel.inference import speed
from apparel.inference.speed import BATCH, PROCESSOR, WHOLE, Candidate, Speed
from benchmarks.side_by_side import Row

CHECKPOINTS = ("coco", "ssd_mobilenet_v1_0.75_coco")
"""Folders of COCO's weights under data/pretrained: by the README's name and by the model zoo's."""

CHANGES = {
    "detector": "ssd_mobilenet_v1",
    "resolution": 300,
    "depth_multiplier": 0.75,
    "checkpoint_type": "detection",
    "freeze": "none",
}
"""Values of params.yaml's section train that the benchmark replaces."""


def measure(rounds: int) -> list[Row]:
    """Exports the detector to every format that can be had here, and times all of them on all cores and on one.

    Args:
        rounds: how often each is timed in turn.

    Raises:
        UserError: params.yaml is not valid, or its data set has no photos here.
    """
    photos = speed_accuracy.photos()
    with tempfile.TemporaryDirectory() as folder:
        candidates, weights, notes = _export(Path(folder), photos)
        sizes = {name: size_of(candidate.path) for name, candidate in candidates.items()}
        on_all = speed.measure(candidates, photos, rounds=rounds)
        on_one = speed.measure(candidates, photos, threads=1, rounds=rounds)
    for note in notes:
        print(note, file=sys.stderr)
    return _rows(on_all, sizes, "all cores", weights) + _rows(on_one, sizes, "one core", weights)


def _export(folder: Path, photos: list[bytes]) -> tuple[dict[str, Candidate], str, list[str]]:
    """The trained model and its exports, written below `folder`, what its weights are, and what cannot be had."""
    from apparel import images
    from apparel.inference.tensorflow_network import load_tensorflow_network
    from apparel.models.export import formats

    weights = _save_detector(folder / "model")
    network = load_tensorflow_network(folder / "model")
    prepared = [network.prepare(np.asarray(images.decode(photo, Path("photo"))))[np.newaxis] for photo in photos]
    candidates, notes = {TRAINED: Candidate(folder / "model")}, []
    for name in paths.EXPORTS:
        try:
            target = formats.write(name, network.detector, network.metadata, folder, lambda: prepared)
        except (UserError, ImportError) as error:
            notes.append(f"without {name}: {error}")
            continue
        for runtime in installed_runtimes(name):
            candidates[format_name(name, runtime)] = Candidate(target, runtime)
    return candidates, weights, notes


def _save_detector(folder: Path) -> str:
    """Saves the detector as train does; returns what its weights are."""
    from apparel.models import pipeline_config
    from apparel.models.detector import Detector
    from apparel.models.thresholds import default_thresholds
    from apparel.models.weights import load_pretrained_weights

    config = params.load()
    checkpoint = next((name for name in CHECKPOINTS if (paths.PRETRAINED / name).is_dir()), "none")
    changes = CHANGES | {"checkpoint": checkpoint}
    train = config.train.model_copy(update=changes)
    classes = tuple(config.data.classes)
    detector = Detector(pipeline_config.merge(train, len(classes), steps=1), classes)
    load_pretrained_weights(detector, train)
    detector.save(folder)
    default_thresholds(classes).write(folder)
    return "COCO's weights" if checkpoint != "none" else "random weights"


def _rows(timed: Mapping[str, Speed], sizes: Mapping[str, int], cores: str, weights: str) -> list[Row]:
    """Each export beside TensorFlow."""
    trained = timed[TRAINED]
    work = f"{trained.detector} at {trained.width} x {trained.height} pixels, one photo at a time, {weights}"
    return [
        Row(
            f"{name}, {cores}",
            "TensorFlow",
            export.by_round(),
            trained.by_round(),
            _details(work, export, sizes[name]),
            1,
        )
        for name, export in timed.items()
        if name != TRAINED
    ]


def _details(work: str, timed: Speed, size: int) -> str:
    batches = f", in batches {timed.ms(BATCH):.1f} ms" if BATCH in timed.seconds else ""
    one = f"{timed.ms():.1f} ms a photo ({timed.ms(PROCESSOR):.1f} of the processor)"
    whole = f"{one}{batches}, with decoding {timed.ms(WHOLE):.1f} ms"
    return f"{work}; {whole}, file {megabytes(size)} MB, memory {megabytes(timed.memory)} MB"
