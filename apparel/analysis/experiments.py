"""List of results: each commit and DVC experiment that has its own, its mAP50, and how its parameters differ.

Why not `dvc exp show --all-commits`: it opens each commit, 50 seconds for 300 of them, lists those without results, and
its table has a column for each metric and parameter, which no terminal is wide enough for. Git alone has what this
table needs, since metrics and parameters are in it.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from apparel import params, paths
from apparel.errors import UserError, plain, some_of
from apparel.versioning import dvc_lock, git

MISSING = "?"
"""Value of a parameter that a result has and params.yaml has not, or the other way round."""


@dataclass(frozen=True)
class Result:
    """One result.

    Attributes:
        name: the experiment's name, the short hash of a commit, or `workspace`.
        date: of the commit, as YYYY-MM-DD; empty for the workspace.
        low, mAP50, high: 0 to 1, the 95% interval around mAP50 on `split`; nan where undefined.
        values: the parameters that DVC recorded, as text, by dotted name.
        split: what it was judged on: test, or with `split.fold` val, the photos of one fold, on which results of other
            folds are not judged.
    """

    name: str
    date: str
    low: float
    mAP50: float
    high: float
    values: dict[str, str]
    split: str = "test"

    def differences(self, values: dict[str, str]) -> list[str]:
        """The parameters whose values differ from `values`, as `key=value`."""
        keys = sorted(self.values.keys() | values.keys())
        mine = {key: self.values.get(key, MISSING) for key in keys}
        return [f"{key}={plain(mine[key])}" for key in keys if mine[key] != values.get(key, MISSING)]


def find_results() -> list[Result]:
    """All results of this clone, the workspace's first, then by date, newest first.

    Commits whose metrics or dvc.lock are not what DVC and eval write are left out.
    """
    names = {revision: name for name, revisions in git.experiments().items() for revision in revisions}
    results = []
    if paths.METRICS.is_file():
        results.append(_read_result("workspace", "", paths.METRICS.read_bytes(), dvc_lock.read_workspace()))
    for revision, date in _revisions_with_results(list(names)):
        metrics = git.read_file(revision, paths.METRICS.as_posix())
        with suppress(UserError):
            lock = dvc_lock.read_commit(revision)
            results.append(_read_result(names.get(revision, revision[:7]), date, metrics, lock))
    return [result for result in results if result is not None]


def _revisions_with_results(experiments: list[str]) -> list[tuple[str, str]]:
    """Hash and date of each commit that changed the metrics, and of each experiment, newest first."""
    form = "--format=%H %cs"
    changing = git.run("log", "--branches", "--tags", "HEAD", "--full-history", form, "--", paths.METRICS.as_posix())
    tips = git.run("show", "--no-patch", form, *experiments).stdout if experiments else b""
    lines = {line for line in (changing.stdout + tips).decode().splitlines() if line}
    order = git.run("log", "--no-walk=sorted", "--stdin", form, input="\n".join(line[:40] for line in lines).encode())
    return [(line[:40], line[41:]) for line in order.stdout.decode().splitlines()] if lines else []


def _read_result(name: str, date: str, metrics: bytes | None, lock: dvc_lock.Lock) -> Result | None:
    """A result; None where there is none, or where it is not the one of dvc.lock, which has its parameters."""
    recorded = lock.hashes().get(paths.METRICS.as_posix())
    if metrics is None or hashlib.md5(metrics, usedforsecurity=False).hexdigest() != recorded:
        return None
    try:
        measured = json.loads(metrics)
        split = params.judged_split(measured)
        figures = [_number(measured[split].get(key)) for key in ("mAP50_low", "mAP50", "mAP50_high")]
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    return Result(name, date, *figures, _texts(lock.parameters(list(lock.stages))), split)


def of_folds_text(count: int) -> str:
    """What to say of results of `split.fold`, which are not listed beside those on test."""
    results = "1 result" if count == 1 else f"{count:,} results"
    return (
        f"{results} of split.fold, judged on val, the photos of one fold, cannot be listed beside those on test: "
        "`apparel crossval` pools the folds of its trainings and prints them, `apparel compare A B` compares two"
    )


def parameters_here() -> dict[str, str]:
    """The parameters of params.yaml as text, by dotted name."""
    return _texts(params.load().flat())


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in values.items() if not key.startswith("draw.")}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def terminal_text(results: list[Result], values: dict[str, str], width: int) -> str:
    """A table of results, a line each, none longer than `width` characters if the names allow it.

    Args:
        results: what `find_results` returned, in the order of the table.
        values: parameters that the last column is relative to: those of params.yaml.
        width: characters of a line.
    """
    name_width = max([len("result"), *(len(result.name) for result in results)])
    lines = [f"{'result':<{name_width}}  {'date':<10}  mAP50  95% interval  parameters that differ from params.yaml"]
    for result in results:
        numbers = [f"{number:.3f}" if number == number else "-" for number in (result.mAP50, result.low, result.high)]
        start = f"{result.name:<{name_width}}  {result.date:<10}  {numbers[0]:>5}  {numbers[1]:>5}–{numbers[2]:<6}"
        lines.append(f"{start}  {_fit(result.differences(values), width - len(start) - 2)}".rstrip())
    return "\n".join(lines)


def _fit(differences: list[str], width: int) -> str:
    """As many differences as fit, and the number of the others; the first one is always there."""
    for count in range(len(differences), 1, -1):
        text = some_of(differences, count)
        if len(text) <= width:
            return text
    return some_of(differences, 1)
