"""Speed of `apparel predict`, from files to tables, beside the network alone on the same processors."""

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from apparel import images, paths
from apparel.analysis.predictions import choose_network, open_writers, prediction_run
from apparel.analysis.predictions.photo_sources import PhotoSources
from apparel.analysis.predictions.run_tables import RunTables
from apparel.errors import UserError
from apparel.inference.network import Network
from benchmarks import side_by_side
from benchmarks.side_by_side import Row


def measure(folder: Path, count: int, rounds: int) -> list[Row]:
    """Detects on the photos of a folder with each runtime that is there; returns photos per second.

    The network alone gets photos that were decoded and resized before; its threads are those of the command. The time
    of the processor, of all threads, tells what the command can reach where all cores are busy: no overlap hides it.

    Args:
        folder: of photos.
        count: at most so many photos.
        rounds: how often each way is run.

    Raises:
        UserError: there are no photos, or no trained model.
    """
    photos = sorted(path for path in folder.glob("*") if path.is_file())[:count]
    if not photos:
        raise UserError(f"{folder} has no photos; run `dvc repro` first, or name another data set with --name")
    runtimes = ["tensorflow", *(name for name in choose_network.FASTEST_FIRST if _is_there(name))]
    return [row for runtime in runtimes for row in _rows(runtime, photos, rounds)]


def _is_there(runtime: str) -> bool:
    return paths.EXPORTS[choose_network.RUNTIMES[runtime]].exists()


def _rows(runtime: str, photos: Sequence[Path], rounds: int) -> list[Row]:
    networks, _, _ = choose_network.choose(paths.MODEL, runtime)
    inputs = [networks[0].prepare(np.asarray(images.read(path))) for path in photos]
    with tempfile.TemporaryDirectory() as folder:  # removed at the end: removing takes as long as writing
        ways = {
            f"predict, {networks[0].runtime}": lambda: _predict(photos, networks, Path(folder), page=True),
            "predict without thumbnails": lambda: _predict(photos, networks, Path(folder), page=False),
            "network alone": lambda: _detect(inputs, networks),
        }
        seconds, processor = side_by_side.time_in_turns(ways, rounds)
    metadata, count = networks[0].metadata, len(photos)
    size = f"{metadata.detector} at {metadata.width} x {metadata.height} pixels"
    work = f"{count} photos, {size}, files to tables and page; the network alone has them resized"
    whole = side_by_side.rows(seconds, work, count)
    return [*whole, *side_by_side.rows(processor, f"{work}; a second of the processor, of all threads", count)]


def _predict(photos: Sequence[Path], networks: Sequence[Network], folder: Path, page: bool) -> None:
    """Does what the command does after it has loaded the network, before it writes its page."""
    output = Path(tempfile.mkdtemp(dir=folder))
    tables = RunTables(output)
    writers = open_writers.open_writers(output, networks[0].metadata.classes) if page else []
    sources = PhotoSources([str(path) for path in photos], output)
    prediction_run.detect_all(sources, networks, tables, writers, None, lambda: None)
    tables.close()


def _detect(inputs: Sequence[np.ndarray], networks: Sequence[Network]) -> None:
    size = prediction_run.batch_size(networks[0])
    batches = [np.stack(inputs[start : start + size]) for start in range(0, len(inputs), size)]
    with ThreadPoolExecutor(len(networks)) as pool:
        parts = [batches[number :: len(networks)] for number in range(len(networks))]
        list(pool.map(lambda network, part: [network.detect(batch) for batch in part], networks, parts))
