"""What was repaired, dropped or noted while annotations were read: counted by reason, named by file."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import get_args

from apparel.annotations.records import Outcome, Problem
from apparel.errors import UserError, some_of
from apparel.utils import files


def by_reason(problems: Iterable[Problem]) -> dict[str, dict]:
    """`{outcome: {reason: {"count": n, "files": {file: [detail, ...]}}}}`, every outcome there, all sorted.

    What was dropped has `boxes`, too: how many went with it, 0 where a file cannot be read at all.
    """
    report: dict[str, dict] = {outcome: {} for outcome in get_args(Outcome)}
    for problem in sorted(problems, key=lambda problem: (problem.outcome, problem.reason, problem.file)):
        found = report[problem.outcome].setdefault(problem.reason, {"count": 0, "files": {}})
        found["count"] += 1
        if problem.outcome == "dropped":
            found["boxes"] = found.get("boxes", 0) + problem.boxes
        found["files"].setdefault(problem.file, []).append(problem.detail)
    return report


def refuse(report: dict, whole: Path) -> None:
    """Holds a report to `convert.strict`; what is refused is written to the file `whole`.

    Raises:
        UserError: anything was repaired or dropped; names each reason and its first files.
    """
    faults = list(_lines(report, "repaired", "dropped"))
    if faults:
        files.write_json(whole, report)
        first = f"convert.strict is true, and the annotations are not sound (all of it: {whole.as_posix()}):"
        raise UserError("\n  ".join([first, *faults]))


def summary(report: dict) -> str:
    """A report in a few lines for the terminal."""
    lines = [
        f"{report['boxes']:,} boxes on {report['photos']:,} photos, {report['photos_without_boxes']:,} without a box",
        ", ".join(f"{name} {count:,}" for name, count in report["boxes_per_class"].items()),
    ]
    if report["photos_without_annotation"]:
        lines.append(f"{report['photos_without_annotation']:,} photos have no annotation and are left out")
    if report["boxes_of_other_classes"]:
        others = ", ".join(f"{name} {count:,}" for name, count in report["boxes_of_other_classes"].items())
        lines.append(f"left out, not in data.classes: {others}")
    return "\n".join([*lines, *_lines(report, *get_args(Outcome))])


def _lines(report: dict, *outcomes: Outcome) -> Iterator[str]:
    for outcome in outcomes:
        for reason, found in report[outcome].items():
            files = list(found["files"])
            lost = f", {found['boxes']:,} boxes" if found.get("boxes", 0) > found["count"] else ""
            yield f"{outcome} {found['count']:,}: {reason}{lost} ({some_of(files, 3)})"
