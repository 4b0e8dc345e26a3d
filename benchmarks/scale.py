"""Seconds, memory and growth of the stages that go through all photos, on drawn sets of several sizes.

Each stage is a process of its own in a temporary project. A stage that takes time in proportion to its photos has an
exponent of 1: ten times the photos, ten times the seconds. With `APPAREL_BEAM` set, Beam does the work.
"""

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import psutil
from tqdm import tqdm

from apparel import boxes, paths
from apparel.data.synthetic import dataset
from apparel.errors import UserError
from apparel.utils import beam, processes, yaml
from benchmarks import side_by_side

ROOT = Path(__file__).parents[1]
SIDE = 64
"""Width and height of the photos, pixels: the least that can be drawn, since 100,000 of them are."""

WITHOUT_GARMENT = 0.03
"""Share of the photos, as in the drawn data set."""

REMOVED_VARIABLES = ("DVC_", "MLFLOW_", "APPAREL_")
"""Prefixes of environment variables that would lead out of the temporary project; Beam's is kept."""

STAGES = {
    "convert": ["-m", "stages.convert"],
    "split": ["-m", "stages.split"],
    "tfrecord": ["-m", "stages.tfrecord"],
    "inspect": ["-m", "apparel", "inspect", "demo"],
    "predict": ["-m", "apparel", "predict", paths.photos("demo").as_posix(), "--out", "found", "--model"],
    "dvc": ["-m", "dvc", "repro"],
    "dvc, no change": ["-m", "dvc", "repro"],
}
"""Python's arguments for each; `dvc` is DVC's own share: five stages that do nothing, on the same files."""

INTERVAL = 0.2
"""Seconds between two looks at the memory of a process and its children."""


class Run(NamedTuple):
    """What a stage took: `seconds`, seconds of the `processor`, and at most of memory, in bytes: `memory` with its
    children, `largest` that of one child."""

    stage: str
    photos: int
    seconds: float
    processor: float
    memory: int
    largest: int = 0


def measure(sizes: Sequence[int], stages: Sequence[str] = tuple(STAGES)) -> str:
    """Runs the stages on drawn photos; returns a table.

    Args:
        sizes: numbers of photos.
        stages: of `STAGES`, in that order; split needs convert, and tfrecord split.

    Raises:
        UserError: a stage fails.
    """
    model = (ROOT / paths.EXPORTS["tflite"]).absolute()
    possible = [name for name in stages if name != "predict" or model.exists()]
    sizes = sorted(set(sizes))
    with tempfile.TemporaryDirectory() as temporary:
        drawn = Path(temporary, "drawn")
        print(f"drawing {sizes[-1]:,} photos", file=sys.stderr)
        dataset.draw_data_set(drawn, sizes[-1], round(WITHOUT_GARMENT * sizes[-1]), SIDE, seed=0)
        runs = []
        for size in sizes:
            project = Path(temporary, str(size))
            _make_project(project, drawn, size)
            for stage in tqdm(possible, desc=f"{size:,} photos", unit=" stages", leave=False, disable=False):
                runs.append(_run(stage, size, project, model))
            shutil.rmtree(project)
    remark = "" if possible == list(stages) else "\npredict is left out: there is no TFLite export, see docs/export.md"
    return _table(runs) + remark


def _make_project(project: Path, drawn: Path, size: int) -> None:
    """A project of the first photos, and beside it one of DVC's whose stages do nothing."""
    folder = project / paths.DATA / "demo"
    for part in ("photos", "annotations"):
        (folder / part).mkdir(parents=True)
        for file in sorted((drawn / part).iterdir())[:size]:
            os.link(file, folder / part / file.name)
    names = "".join(f"{file.name}\n" for file in sorted((folder / "photos").iterdir()))
    (folder / "lists").mkdir()
    (folder / "lists" / "photos.txt").write_text(names, encoding="utf-8")
    values = yaml.load(ROOT / paths.PARAMS)
    labels = boxes.read_labels(drawn / "lists" / "labels.csv")
    shown = labels.loc[labels["filename"].isin(names.split("\n")), "class"].unique().tolist()
    values["data"] |= {"name": "demo", "classes": shown, "unlabelled": "none"}
    values["export"] = {"formats": []}
    (project / paths.PARAMS).write_text(json.dumps(values), encoding="utf-8")  # JSON is YAML
    shutil.copytree(ROOT / paths.CONFIGS, project / paths.CONFIGS)
    files = [(folder / part).relative_to(project).as_posix() for part in ("photos", "annotations")]
    outs = [f"{number}.txt" for number in range(5)]
    empty = {
        out: {
            "cmd": f"{Path(sys.executable).as_posix()} -c \"open('{out}', 'w').close()\"",
            "deps": deps,
            "outs": [out],
        }
        for out, deps in zip(outs, [files, *([*files, out] for out in outs)], strict=False)
    }
    (project / "dvc.yaml").write_text(json.dumps({"stages": {f"s{out[0]}": made for out, made in empty.items()}}))


def _run(stage: str, photos: int, project: Path, model: Path) -> Run:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(REMOVED_VARIABLES)}
    environment |= {beam.VARIABLE: os.environ[beam.VARIABLE]} if beam.is_asked() else {}
    environment.pop("TQDM_DISABLE", None)
    command = [sys.executable, *STAGES[stage], *([str(model)] if stage == "predict" else [])]
    pipeline = project / "dvc.yaml"
    if stage == "dvc":
        subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], cwd=project, check=True)
    elif not stage.startswith("dvc"):  # the stages compare what they read with a dvc.yaml that has them
        pipeline = pipeline.rename(project / "empty.yaml")
    log = project / "log.txt"
    start = time.perf_counter()
    options = {"cwd": project, "env": environment | {"PYTHONPATH": str(ROOT)}}
    with log.open("wb") as output, processes.guarded(command, stdout=output, stderr=output, **options) as guard:
        memory, largest, guarding = map(max, zip((0, 0, 0.0), *_looks(guard), strict=True))
        seconds = time.perf_counter() - start
        _, status, usage = os.wait4(guard.pid, 0)
        guard.returncode = os.waitstatus_to_exitcode(status)
    pipeline.rename(project / "dvc.yaml")
    if guard.returncode:
        raise UserError(f"{stage} failed: {log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
    processor = usage.ru_utime + usage.ru_stime - guarding
    return Run(stage, photos, seconds, processor, memory, largest)  # `ru_maxrss` would count this process, its parent


def _looks(guard: subprocess.Popen) -> Iterator[tuple[int, int, float]]:
    """Looks at a guarded command until it has ended: bytes of it with its children, bytes of its largest child, and
    seconds of the processor that its guard took."""
    while True:
        try:
            guarding = psutil.Process(guard.pid)
            if guarding.status() == psutil.STATUS_ZOMBIE:
                return
            times = guarding.cpu_times()
            for command in guarding.children():
                children = [child.memory_info().rss for child in command.children(recursive=True)]
                memory = command.memory_info().rss + sum(children)
                yield memory, max(children, default=0), times.user + times.system
        except psutil.NoSuchProcess:  # a child that has ended meanwhile
            pass
        time.sleep(INTERVAL)


def exponent(first: Run, second: Run, processor: bool = False) -> float:
    """Of the growth from one size to another: log(seconds / seconds) / log(photos / photos)."""
    ratio = second.processor / first.processor if processor else second.seconds / first.seconds
    return math.log(ratio) / math.log(second.photos / first.photos)


def _table(runs: Sequence[Run]) -> str:
    lines = [
        side_by_side.machine(),
        "",
        "| stage | photos | seconds | exponent | of the processor | exponent | memory, MB | largest child, MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for stage in dict.fromkeys(run.stage for run in runs):
        of_stage = [run for run in runs if run.stage == stage]
        growth = [("", "")]
        growth += [(f"{exponent(*pair):.2f}", f"{exponent(*pair, processor=True):.2f}") for pair in pairwise(of_stage)]
        lines += [
            f"| {stage} | {run.photos:,} | {run.seconds:.1f} | {wall} | {run.processor:.1f} | {busy} "
            f"| {run.memory / 1e6:.0f} | {run.largest / 1e6:.0f} |"
            for run, (wall, busy) in zip(of_stage, growth, strict=True)
        ]
    return "\n".join(lines)
