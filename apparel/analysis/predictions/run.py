"""A prediction run from its photos to its page, new or going on, with what it tells the user."""

import os
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from tqdm import tqdm

from apparel.analysis.predictions import open_writers, page, prediction_run, run_folder, shard_run
from apparel.analysis.predictions.bucket_output import BucketOutput
from apparel.analysis.predictions.page_data import read_rows
from apparel.analysis.predictions.photo_count import count_photos
from apparel.analysis.predictions.photo_sources import PhotoSources
from apparel.analysis.predictions.run_tables import PROBLEMS, RunTables
from apparel.analysis.predictions.shard_run import WorkerModel
from apparel.errors import UserError, plain
from apparel.inference.network import Network
from apparel.inference.writer import Writer

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"

COUNT_SECONDS = 2
"""The longest that photos are counted for the progress bar: some 200,000 files; a run on more takes many minutes."""


@dataclass(frozen=True)
class Prediction:
    """What a run detects on, by which networks, and what it writes.

    Attributes:
        photos: what to detect on.
        networks: of one model, with the thresholds to use.
        file: what they were loaded from.
        folder: of the output, or that of `bucket`.
        outputs: of json, pictures, crops and xml.
        lowest_score: lowest score of a detection to write; None: the threshold of its class.
        command: the command line, for the header.
        bucket: the output, where it goes to a bucket.
        worker_model: what Beam's workers load, where they detect; then `bucket` is None.
    """

    photos: PhotoSources
    networks: Sequence[Network]
    file: Path
    folder: Path
    outputs: Sequence[str]
    lowest_score: float | None
    command: str
    bucket: BucketOutput | None = None
    worker_model: WorkerModel | None = None


def run(asked: Prediction) -> None:
    """Detects on photos, writes tables, further outputs and the page, and prints a summary.

    Raises:
        UserError: the folder holds another run, or no photo could be read.
    """
    header, bucket = _header(asked), asked.bucket
    with run_folder.open_folder(asked.folder, header):
        tables = RunTables(asked.folder)
        written = tables.photos + tables.problems
        if bucket:
            bucket.check_whole(written)
        if written:
            print(f"goes on after {written:,} photos", flush=True)
        remarks = _detect(asked, tables, run_folder.maker(header))
        shard_run.forget(asked.folder)
        facts = {"Model": header.model, "Detector": header.detector, "Runtime": header.runtime}
        index = page.write_page(asked.folder, header.thresholds, facts, links=bucket is None)
        if bucket:
            bucket.finish(tables.photos + tables.problems)
    for line in chain(remarks, _summary(tables, asked.photos, index)):
        print(line.replace(str(asked.folder), bucket.address) if bucket else line)


def _header(asked: Prediction) -> run_folder.RunHeader:
    metadata, file = asked.networks[0].metadata, asked.file
    return run_folder.RunHeader(
        version=tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["version"],
        model=metadata.model,
        detector=metadata.detector,
        file=os.path.relpath(file) if file.resolve().is_relative_to(Path.cwd()) else str(file),
        runtime=asked.networks[0].runtime,
        thresholds=metadata.thresholds.by_class,
        lowest_score=asked.lowest_score,
        outputs=list(asked.outputs),
        sources=asked.photos.sources,
        command=asked.command,
    )


def _detect(asked: Prediction, tables: RunTables, maker: Mapping[str, Any]) -> list[str]:
    """Detects on the photos that the tables lack, writes all but the page, and returns what the writers have to say."""
    network, outputs = asked.networks[0], dict.fromkeys(asked.outputs, True)
    writers = open_writers.open_writers(asked.folder, network.metadata.classes, **outputs, maker=maker)
    try:
        if asked.worker_model:
            work = shard_run.work_of(network, asked.worker_model, asked.lowest_score, asked.folder, asked.outputs)
            shard_run.detect_all(asked.photos, work, tables, writers)
        else:
            _detect_here(asked, tables, writers)
    finally:
        tables.close()
        remarks = [remark for writer in writers if (remark := writer.close())]
    return remarks


def _detect_here(asked: Prediction, tables: RunTables, writers: Sequence[Writer]) -> None:
    total = count_photos(asked.photos, COUNT_SECONDS) if sys.stderr.isatty() else None
    with tqdm(desc="detecting", unit=" photos", total=total, disable=None) as progress:

        def photo_done() -> None:
            progress.update()
            if asked.bucket:
                asked.bucket.photo_written(tables.photos + tables.problems)

        prediction_run.detect_all(asked.photos, asked.networks, tables, writers, asked.lowest_score, photo_done)


def _summary(tables: RunTables, photos: PhotoSources, index: Path) -> Iterator[str]:
    if photos.left_out:
        left_out = _count(photos.left_out, "file")
        yield f"left out, neither photos nor archives: {left_out}, such as {plain(photos.example)}"
    if photos.repeated:
        yield f"named more than once, and detected on once: {_count(photos.repeated, 'photo')}"
    table = index.with_name(PROBLEMS)
    if not tables.photos:
        raise UserError(f"no photo could be read: {_first_problem(table)}")
    problems = f"; {tables.problems:,} could not be read, see {table}" if tables.problems else ""
    yield f"{_count(tables.detections, 'detection')} on {_count(tables.photos, 'photo')}{problems}"
    yield f"look through them: {index}"


def _first_problem(table: Path) -> str:
    """The first problem, with the number of the others."""
    rows = (f"{name}: {reason}" for _, (name, reason) in read_rows(table, ["file", "reason"]))
    first, others = next(rows, "there is none"), sum(1 for _ in rows)
    return first + (f"; {others:,} more in {table}" if others else "")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
