"""Speed and accuracy of trained models and their exports: which format, resolution and detector to take.

Accuracy is mAP50 on test as `eval` and `export` measured it. Speed is measured here and now, all of them in turn, or
taken from the records that `export` made.
"""

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from apparel import images, params, paths
from apparel.analysis.exported_models import Choice, Model
from apparel.errors import UserError
from apparel.evaluation.export_figures import RUNTIMES, format_name
from apparel.inference import speed, speed_record
from apparel.inference.speed import Candidate
from apparel.inference.speed_record import Recorded, SpeedRecord
from apparel.tracking.server import clean_name
from apparel.utils import limits

if TYPE_CHECKING:
    from apparel.tracking.reader import Reader

PHOTOS = 16
"""Photos that are timed in turn: different ones, since detections take their time, too."""


def photos() -> list[bytes]:
    """Photos to time detectors on, at equal distances in the list of those of params.yaml's data set.

    Raises:
        UserError: the data set has none here.
    """
    folder = paths.photos(params.load().data.name)
    listed = sorted(path for path in folder.glob("*") if path.is_file() and not path.name.startswith("."))
    count = min(PHOTOS, len(listed))
    photos = list(_decodable(listed[number * len(listed) // count] for number in range(count)))
    if not photos:
        raise UserError(f"no photos in {folder.as_posix()} to time detectors on; `dvc repro` or `dvc pull` brings them")
    return photos


def _decodable(files: Iterable[Path]) -> Iterator[bytes]:
    for path in files:
        encoded = path.read_bytes()
        with suppress(UserError):
            images.decode(encoded, path)
            yield encoded


def measure(
    models: Sequence[Model], photos: Sequence[bytes], threads: int | None = None
) -> tuple[list[Choice], list[str]]:
    """The choices of all models, timed on this machine in turn, and the reasons of those that cannot be loaded.

    Args:
        models: what `load_models` gave.
        photos: JPEG or PNG files to detect on.
        threads: processor threads and cores of each; None: all.

    Raises:
        UserError: none of them can be loaded, or one fails while it runs; names it.
    """
    candidates, choices, failed = {}, {}, []
    for model in models:
        for choice, path in zip(model.choices, model.paths, strict=True):
            runtime = choice.runtime if choice.format in RUNTIMES else None
            candidates[choice.name], choices[choice.name] = Candidate(path, runtime), choice
    timed = speed.measure(candidates, photos, threads, failed=failed)
    if not timed:
        raise UserError("\n".join(failed))
    return [_timed(choices[name], each) for name, each in timed.items()], failed


def _timed(choice: Choice, timed: speed.Speed) -> Choice:
    figures = {"ms": timed.ms(), "batch_ms": timed.ms(speed.BATCH), "memory": timed.memory}
    network = {"detector": timed.detector, "width": timed.width, "height": timed.height}
    return replace(choice, **figures, **network, runtime=timed.runtime, processor=speed.processor())


def recorded(
    models: Sequence[Model], reader: Callable[[], "Reader"], threads: int | None
) -> tuple[list[Choice], list[str]]:
    """The choices of all models with the speed that `export` recorded here or in MLflow, and notes on those without.

    Args:
        models: what `load_models` gave.
        reader: connects to MLflow; called only if it is needed.
        threads: 1: take the speed on one core; None: on all.

    Raises:
        UserError: a record is damaged, there is none at all, it has no such number of cores, or MLflow cannot be read.
    """
    if threads not in (None, 1):
        raise UserError("speed is recorded on all cores and on one: --threads with --recorded can only be 1")
    choices, without = [], []
    for model in models:
        record = speed_record.read(model.hash) or _from_mlflow(model.hash, reader())
        by_name = {} if record is None else record.one_core if threads else record.all_cores
        for choice in model.choices:
            key = format_name(choice.format, choice.runtime)
            if key in by_name:
                choices.append(_with_record(choice, by_name[key], record.processor))
            else:
                without.append(choice.name)
    missing = [f"no speed recorded for {'; '.join(without)}"] if without else []
    if not choices:
        raise UserError(f"{missing[0]}: without --recorded, it is measured now")
    return choices, missing


def _with_record(choice: Choice, record: Recorded, processor: str) -> Choice:
    figures = {"ms": record.ms[speed.ONE], "batch_ms": record.ms[speed.BATCH], "memory": record.memory}
    network = {"detector": record.detector, "width": record.width, "height": record.height}
    return replace(choice, **figures, **network, processor=processor)


def _from_mlflow(model_hash: str, reader: "Reader") -> SpeedRecord | None:
    """The record in MLflow's run of a model; None if there is none."""
    runs = reader.tagged(**{clean_name(paths.MODEL.as_posix()): model_hash})
    if not runs:
        return None
    path = f"export/{speed_record.FILE}"
    with tempfile.TemporaryDirectory() as folder:
        try:
            file = reader.fetch(runs[0].id, path, Path(folder))
        except UserError:
            return None
        return speed_record.from_json(
            limits.read_bytes(file, speed_record.MAX_BYTES), f"{path} of MLflow's run {runs[0].id}"
        )


def pareto_front(choices: Sequence[Choice]) -> list[int]:
    """Positions of the choices that no other one beats, the fastest first.

    One beats another where it is as fast and as accurate, and better in one of the two.
    """
    valid = [number for number, each in enumerate(choices) if not math.isnan(each.map50) and not math.isnan(each.ms)]
    front: list[int] = []
    for number in sorted(valid, key=lambda number: (choices[number].ms, -choices[number].map50)):
        if not front or choices[number].map50 > choices[front[-1]].map50:
            front.append(number)
    return front


def table(choices: Sequence[Choice]) -> pd.DataFrame:
    """A row a choice, the fastest first: what the page, the terminal and the CSV file show; numbers as they are."""
    front = set(pareto_front(choices))
    rows = [
        {
            "result": each.result,
            "format": each.format,
            "runtime": each.runtime,
            "detector": each.detector,
            "width": each.width,
            "height": each.height,
            "mAP50": round(each.map50, 6),
            "ms": round(each.ms, 3),
            "batch_ms": round(each.batch_ms, 3),
            "bytes": each.size,
            "memory": each.memory,
            "front": number in front,
            "processor": each.processor,
        }
        for number, each in enumerate(choices)
    ]
    return pd.DataFrame(rows).sort_values(["ms", "mAP50"], ascending=[True, False], kind="stable", ignore_index=True)


def notes(choices: Sequence[Choice]) -> Iterator[str]:
    """Sentences on what cannot be compared."""
    if len({each.photos for each in choices if each.photos}) > 1:
        results = {each.result: each.photos for each in choices}
        others = [name for name, photos in results.items() if photos != choices[0].photos]
        yield f"{', '.join(others)}: on other test photos than {choices[0].result}, so mAP50 cannot be compared"
    if len({each.processor for each in choices}) > 1:
        yield "recorded on different processors, so the speeds cannot be compared"
    unmeasured = [each.name for each in choices if math.isnan(each.map50)]
    if unmeasured:
        yield f"no mAP50 on test: {'; '.join(unmeasured)}"
