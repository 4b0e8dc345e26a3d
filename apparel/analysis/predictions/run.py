"""A prediction run from its photos to its page, new or going on, with what it tells the user."""

import os
import sys
import tomllib
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from tqdm import tqdm

from apparel.analysis.predictions import open_writers, page, prediction_run, run_folder, shard_run
from apparel.analysis.predictions.bucket_output import BucketOutput
from apparel.analysis.predictions.page_data import read_rows
from apparel.analysis.predictions.photo_count import count_photos
from apparel.analysis.predictions.photo_sources import PhotoSources
from apparel.analysis.predictions.run_tables import PROBLEMS, RunTables
from apparel.analysis.predictions.shard_run import ShardWork
from apparel.errors import UserError, plain
from apparel.inference.network import Network
from apparel.inference.writer import Writer

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"

COUNT_SECONDS = 2
"""The longest that photos are counted for the progress bar: some 200,000 files; a run on more takes many minutes."""


def run(
    photos: PhotoSources,
    networks: Sequence[Network],
    file: Path,
    folder: Path,
    outputs: Sequence[str],
    lowest_score: float | None,
    command: str,
    bucket: BucketOutput | None = None,
    shard_work: ShardWork | None = None,
) -> None:
    """Detects on photos, writes tables, further outputs and the page, and prints a summary.

    Args:
        photos: what to detect on.
        networks: of one model, with the thresholds to use.
        file: what they were loaded from.
        folder: of the output, or that of `bucket`.
        outputs: of json, pictures, crops and xml.
        lowest_score: lowest score of a detection to write; None: the threshold of its class.
        command: the command line, for the header.
        bucket: the output, where it goes to a bucket.
        shard_work: what Beam's workers do, where they detect; then `bucket` is None.

    Raises:
        UserError: the folder holds another run, or no photo could be read.
    """
    metadata, runtime = networks[0].metadata, networks[0].runtime
    thresholds = metadata.thresholds.by_class
    header = run_folder.RunHeader(
        version=tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["version"],
        model=metadata.model,
        detector=metadata.detector,
        file=os.path.relpath(file) if file.resolve().is_relative_to(Path.cwd()) else str(file),
        runtime=runtime,
        thresholds=thresholds,
        lowest_score=lowest_score,
        outputs=list(outputs),
        sources=photos.sources,
        command=command,
    )
    with run_folder.open_folder(folder, header):
        tables = RunTables(folder)
        written = tables.photos + tables.problems
        if bucket:
            bucket.check_whole(written)
        if written:
            print(f"goes on after {written:,} photos", flush=True)
        writers = open_writers.open_writers(
            folder, metadata.classes, **dict.fromkeys(outputs, True), maker=run_folder.maker(header)
        )
        try:
            if shard_work:
                shard_run.detect_all(photos, shard_work, tables, writers)
            else:
                _detect_here(photos, networks, tables, writers, lowest_score, bucket)
        finally:
            tables.close()
            remarks = [remark for writer in writers if (remark := writer.close())]
        shard_run.forget(folder)
        facts = {"Model": metadata.model, "Detector": metadata.detector, "Runtime": runtime}
        index = page.write_page(folder, thresholds, facts, links=bucket is None)
        if bucket:
            bucket.finish(tables.photos + tables.problems)
    for line in chain(remarks, _summary(tables, photos, index)):
        print(line.replace(str(folder), bucket.address) if bucket else line)


def _detect_here(
    photos: PhotoSources,
    networks: Sequence[Network],
    tables: RunTables,
    writers: Sequence[Writer],
    lowest_score: float | None,
    bucket: BucketOutput | None,
) -> None:
    total = count_photos(photos, COUNT_SECONDS) if sys.stderr.isatty() else None
    with tqdm(desc="detecting", unit=" photos", total=total, disable=None) as progress:

        def photo_done() -> None:
            progress.update()
            if bucket:
                bucket.photo_written(tables.photos + tables.problems)

        prediction_run.detect_all(photos, networks, tables, writers, lowest_score, photo_done)


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
