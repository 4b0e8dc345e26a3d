"""Detections on any number of photos by Beam's workers, written in the order of the photos: the bytes of a run without.

A worker detects on the photos of a shard, and writes their thumbnails, pictures and crops, a file each. What grows with
the photos (tables, JSON lines, XML beside the photos) is written here, from the workers' results.
"""

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from apparel.analysis.predictions import choose_network, prediction_run, run_folder
from apparel.analysis.predictions.json_lines import JsonLines
from apparel.analysis.predictions.open_writers import open_writers
from apparel.analysis.predictions.output_names import name_hash
from apparel.analysis.predictions.photo_sources import SourcePhoto
from apparel.analysis.predictions.prediction_run import DetectedPhoto
from apparel.analysis.predictions.run_tables import RunTables
from apparel.analysis.predictions.voc_xml import VocXml
from apparel.errors import UserError, plain
from apparel.inference import networks
from apparel.inference.network import Network
from apparel.inference.writer import Writer
from apparel.models.thresholds import Thresholds
from apparel.utils import beam, shard_files

OF_TABLES = (JsonLines, VocXml)
"""Writers that need a photo's size, and not the photo."""


class WorkerModel(NamedTuple):
    """What a worker loads, as `choose_network.choose` takes it: the path of a model, and a runtime, None for any."""

    path: Path
    runtime: str | None


@dataclass(frozen=True)
class ShardWork:
    """What a worker does with the photos of a shard.

    Attributes:
        model: what the worker loads.
        metadata: hash of the model, and the runtime, that the worker has to have.
        thresholds: score by class.
        lowest_score: as for `prediction_run.detect_all`.
        folder: of the run.
        outputs: pictures, crops.
    """

    model: WorkerModel
    metadata: tuple[str, str]
    thresholds: Thresholds
    lowest_score: float | None
    folder: Path
    outputs: tuple[str, ...]

    def __call__(self, photos: Sequence[SourcePhoto]) -> list[DetectedPhoto]:
        """In a worker: detects, and writes the files of the photos; returns the rest without the photos."""
        network = _load(self.model)
        if (network.metadata.model, network.runtime) != self.metadata:
            raise UserError(
                f"a worker has model {network.metadata.model} by {network.runtime}, not {' by '.join(self.metadata)}: "
                "every worker needs the same folder and the same packages"
            )
        network.metadata = network.metadata.with_thresholds(self.thresholds)
        writers = open_writers(self.folder, network.metadata.classes, **dict.fromkeys(self.outputs, True))
        detected = []
        for photo in prediction_run.detect(photos, [network], self.lowest_score, keep_photos=True):
            if not photo.decoded.problem:
                for writer in writers:
                    writer.write(photo.name, photo.decoded.photo, photo.detections)
            detected.append(replace(photo, decoded=replace(photo.decoded, photo=None)))
        return detected


class _Size(NamedTuple):
    """What the writers of `OF_TABLES` ask of a photo."""

    width: int
    height: int

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height


def detect_all(photos: Iterable[SourcePhoto], work: ShardWork, tables: RunTables, writers: Sequence[Writer]) -> None:
    """Has Beam detect on the photos that `tables` lacks, and writes what was detected.

    Raises:
        UserError: as `prediction_run.detect_all` and `beam.map_items`; or a photo lies in an archive.
    """
    first = tables.photos + tables.problems
    remaining = _picklable(prediction_run.not_written(photos, tables, lambda: None))
    of_tables = [writer for writer in writers if isinstance(writer, OF_TABLES)]
    # The workers' pictures lie in the folder: were it deleted and begun anew, whole shards would lack theirs.
    begun = shard_files.file_state(work.folder / run_folder.HEADER)
    state = functools.partial(_state, begun)
    for detected in beam.map_items(work, remaining, "detecting", state, first, _shards(work.folder)):
        with_size = replace(detected.decoded, photo=_Size(*detected.decoded.size))
        prediction_run.write(replace(detected, decoded=with_size), tables, of_tables)


def forget(folder: Path) -> None:
    """Removes the shards of a run that has ended, with Beam or after all without; `folder` is that of its output."""
    beam.forget(_shards(folder))


def _shards(folder: Path) -> str:
    return f"predict {name_hash(str(folder.absolute()))}"


def _picklable(photos: Iterable[SourcePhoto]) -> Iterator[SourcePhoto]:
    for photo in photos:
        if photo.at_once:
            raise UserError(
                f"'{plain(photo.name)}' lies in an archive, which is read from one end to the other; unpack it, or "
                "leave --runner out"
            )
        yield photo


def _state(begun: tuple[int, ...] | None, photo: SourcePhoto) -> tuple:
    """Of the output's header, and of a file; the version of one in a bucket is a part of `read`."""
    return begun, shard_files.file_state(Path(photo.name))


@functools.lru_cache(maxsize=1)
def _load(model: WorkerModel) -> Network:
    """One network a worker, for several workers a machine."""
    return choose_network.choose(*model, _load_one)[0][0]


def _load_one(path: Path, name: str | None) -> list[Network]:
    return [networks.load(path, name) if path.is_dir() else networks.load(path, name, threads=1)]


def work_of(
    network: Network, model: WorkerModel, lowest_score: float | None, folder: Path, outputs: Sequence[str]
) -> ShardWork:
    """The work that gives what `network`, loaded here, gives."""
    metadata = network.metadata
    return ShardWork(
        model=model,
        metadata=(metadata.model, network.runtime),
        thresholds=metadata.thresholds,
        lowest_score=lowest_score,
        folder=folder,
        outputs=tuple(name for name in outputs if name in ("pictures", "crops")),
    )
