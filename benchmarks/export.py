"""Speed of a detector in TensorFlow beside its exports: SSD MobileNet v1 0.75 at 300 pixels, in turn.

With the weights of COCO where they are imported (`CHECKPOINTS`), else with random ones: the network takes the same
time, but random scores leave non-maximum suppression another number of boxes.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

from apparel import params, paths
from apparel.analysis import speed_accuracy
from apparel.errors import UserError
from apparel.evaluation.export_figures import TRAINED, format_name
from apparel.evaluation.export_metrics import installed_runtimes, size_of
from apparel.evaluation.export_page import megabytes
from apparel.inference import speed
from apparel.inference.speed import BATCH, WHOLE, Candidate, Speed

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


def measure(rounds: int) -> str:
    """Exports the detector to every format that can be had here, and times all of them; returns a table.

    Args:
        rounds: how often each is timed in turn.

    Raises:
        UserError: params.yaml is not valid, or its data set has no photos here.
    """
    photos = speed_accuracy.photos()
    with tempfile.TemporaryDirectory() as folder:
        candidates, notes = _export(Path(folder), photos)
        sizes = {name: size_of(candidate.path) for name, candidate in candidates.items()}
        on_all = speed.measure(candidates, photos, rounds=rounds)
        on_one = speed.measure(candidates, photos, threads=1, rounds=rounds)
    return "\n".join([_table(on_all, on_one, sizes), *notes])


def _export(folder: Path, photos: list[bytes]) -> tuple[dict[str, Candidate], list[str]]:
    """The trained model and its exports, written below `folder`, and notes on formats that cannot be had."""
    from apparel import images
    from apparel.inference.tensorflow_network import load_tensorflow_network
    from apparel.models.export import formats

    weights = _save_detector(folder / "model")
    network = load_tensorflow_network(folder / "model")
    prepared = [network.prepare(np.asarray(images.decode(photo, Path("photo"))))[np.newaxis] for photo in photos]
    candidates, notes = {TRAINED: Candidate(folder / "model")}, [weights]
    for name in paths.EXPORTS:
        try:
            target = formats.write(name, network.detector, network.metadata, folder, lambda: prepared)
        except (UserError, ImportError) as error:
            notes.append(f"without {name}: {error}")
            continue
        for runtime in installed_runtimes(name):
            candidates[format_name(name, runtime)] = Candidate(target, runtime)
    return candidates, notes


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
    return "weights: COCO's, random ones in the heads" if checkpoint != "none" else "weights: random"


def _table(on_all: Mapping[str, Speed], on_one: Mapping[str, Speed], sizes: Mapping[str, int]) -> str:
    """A row a format: milliseconds a photo, and how many times as fast as TensorFlow it is."""
    rows = {
        name: {
            "runtime": timed.runtime,
            "ms": f"{timed.ms():.1f}",
            "times as fast": _ratio(on_all[TRAINED], timed),
            "in batches": f"{timed.ms(BATCH):.1f}" if BATCH in timed.seconds else "-",
            "with decoding": f"{timed.ms(WHOLE):.1f}",
            "on one core": f"{on_one[name].ms():.1f}",
            "times as fast on one": _ratio(on_one[TRAINED], on_one[name]),
            "MB": megabytes(sizes[name]),
            "memory MB": megabytes(timed.memory),
        }
        for name, timed in on_all.items()
    }
    first = next(iter(on_all.values()))
    title = f"export: {first.detector} at {first.width} x {first.height} pixels on {speed.processor()}"
    return f"{title}; milliseconds a photo, medians\n{pd.DataFrame.from_dict(rows, orient='index').to_string()}"


def _ratio(trained: Speed, timed: Speed) -> str:
    """How many times as fast as the trained model: the median of the rounds, with the lowest and the highest."""
    ratios = [first / other for first, other in zip(trained.by_round(), timed.by_round(), strict=True)]
    return f"{median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
