"""Recorded speed of a trained model and its exports: `.apparel/speed/<model>/speed.json`, which DVC does not hash.

Speed differs from run to run. In an output of a stage it would change `dvc.lock` each time, so it lies outside, named
by DVC's hash of the model, and in MLflow's run of the model as `export/speed.json`.
"""

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from apparel import paths
from apparel.errors import UserError
from apparel.inference.speed import Speed, processor
from apparel.inference.timing import BATCH, DECODE, ONE, WHOLE
from apparel.utils import files, limits

FOLDER = paths.LOCAL / "speed"
FILE = "speed.json"
"""Name of the record, here and under `export` among the files of a run in MLflow."""

MAX_BYTES = 1_000_000
"""Bytes of a record; one of ten formats has 6 kB."""

KINDS = (ONE, BATCH, DECODE, WHOLE)


@dataclass(frozen=True)
class Recorded:
    """One format's recorded speed.

    Attributes:
        detector: name of the network.
        width, height: pixels of its input.
        threads: processor threads.
        memory: peak memory in bytes.
        ms: milliseconds a photo by kind of `timing`; nan where it was not timed.
    """

    detector: str
    width: int
    height: int
    threads: int
    memory: int
    ms: dict[str, float]


@dataclass(frozen=True)
class SpeedRecord:
    """The speed of a model and its exports on one machine.

    Attributes:
        model: DVC's hash of the trained model.
        processor: of the machine.
        all_cores: by name of the format.
        one_core: the same.
    """

    model: str
    processor: str
    all_cores: dict[str, Recorded]
    one_core: dict[str, Recorded]

    def to_json(self) -> dict[str, Any]:
        """The record as values of JSON."""
        parts = {"all_cores": self.all_cores, "one_core": self.one_core}
        return {"model": self.model, "processor": self.processor} | {
            part: {name: _plain(recorded) for name, recorded in by_name.items()} for part, by_name in parts.items()
        }

    def headline_metrics(self) -> dict[str, float]:
        """Metrics of a run in MLflow: `export/<format>/ms_per_photo`, on all cores, one photo at a time."""
        return {f"export/{name}/ms_per_photo": recorded.ms[ONE] for name, recorded in self.all_cores.items()}

    def write(self) -> Path:
        """Writes it where `read` looks for it, with what is recorded there of other formats; returns the file.

        What another processor recorded is replaced.
        """
        path, record = _path(self.model), self
        with suppress(UserError):  # damaged: it is written anew
            record = self._with_others(read(self.model))
        files.write_json(path, record.to_json())
        return path

    def _with_others(self, earlier: "SpeedRecord | None") -> "SpeedRecord":
        if earlier is None or earlier.processor != self.processor:
            return self
        parts = {part: getattr(earlier, part) | getattr(self, part) for part in ("all_cores", "one_core")}
        return replace(self, **parts)


def of_speeds(model: str, all_cores: Mapping[str, Speed], one_core: Mapping[str, Speed]) -> SpeedRecord:
    """The record of what `speed.measure` returned on this machine."""
    return SpeedRecord(model, processor(), *({k: _recorded(v) for k, v in s.items()} for s in (all_cores, one_core)))


def _recorded(speed: Speed) -> Recorded:
    ms = {kind: speed.ms(kind) for kind in KINDS}
    return Recorded(speed.detector, speed.width, speed.height, speed.threads, speed.memory, ms)


def _plain(recorded: Recorded) -> dict[str, Any]:
    values = asdict(recorded)
    ms = values.pop("ms")
    return values | {f"{kind}_ms": None if math.isnan(value) else round(value, 3) for kind, value in ms.items()}


def read(model: str) -> SpeedRecord | None:
    """The record of a model on this machine; None where there is none.

    Raises:
        UserError: it is damaged.
    """
    path = _path(model)
    return from_json(limits.read_bytes(path, MAX_BYTES), str(path)) if path.is_file() else None


def from_json(content: bytes, source: str) -> SpeedRecord:
    """Reads what `to_json` gave.

    Raises:
        UserError: it is not a record; names `source`.
    """
    try:
        values = json.loads(content)
        parts = [{str(k): _read(v) for k, v in values[part].items()} for part in ("all_cores", "one_core")]
        return SpeedRecord(str(values["model"]), str(values["processor"]), *parts)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise UserError(f"{source} is damaged; `dvc repro --force export` writes it again") from None


def _read(values: Mapping[str, Any]) -> Recorded:
    ms = {kind: values[f"{kind}_ms"] for kind in KINDS}
    ms = {kind: math.nan if value is None else float(value) for kind, value in ms.items()}
    numbers = [int(values[key]) for key in ("width", "height", "threads", "memory")]
    return Recorded(str(values["detector"]), *numbers, ms)


def _path(model: str) -> Path:
    return FOLDER / model / FILE
