"""Report of the problems in annotation files: counted by reason, with the files of each."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import get_args

from apparel.annotations.problems import Outcome, Problem
from apparel.errors import UserError, some_of
from apparel.utils import files


def group_by_reason(problems: Iterable[Problem]) -> dict[str, dict]:
    """`{outcome: {reason: {"count": n, "files": {file: [detail, ...]}}}}`, with every outcome, all sorted.

    A reason for dropping has `boxes`, too: how many were dropped, 0 where a file cannot be read at all.
    """
    report: dict[str, dict] = {outcome: {} for outcome in get_args(Outcome)}
    for problem in sorted(problems, key=lambda problem: (problem.outcome, problem.reason, problem.file)):
        entry = report[problem.outcome].setdefault(problem.reason, {"count": 0, "files": {}})
        entry["count"] += 1
        if problem.outcome == "dropped":
            entry["boxes"] = entry.get("boxes", 0) + problem.boxes
        entry["files"].setdefault(problem.file, []).append(problem.detail)
    return report


def check_strict(report: dict, refused: Path) -> None:
    """Checks that a report has no faults, as `convert.strict` demands; writes it to `refused` if it has.

    Raises:
        UserError: anything was repaired, dropped or noted; names each reason and its first files.
    """
    faults = list(_lines(report, *get_args(Outcome)))
    if faults:
        files.write_json(refused, report)
        first = f"convert.strict is true, and the annotations have faults (all of them: {refused.as_posix()}):"
        raise UserError("\n  ".join([first, *report["decided"], *faults]))


def summary(report: dict) -> str:
    """A report in a few lines for the terminal."""
    lines = [
        f"{report['boxes']:,} boxes on {report['photos']:,} photos, {report['photos_without_boxes']:,} without a box",
        ", ".join(f"{name} {count:,}" for name, count in report["boxes_per_class"].items()),
    ]
    if report["photos_without_annotation"]:
        lines.append(f"{report['photos_without_annotation']:,} photos have no annotation and are left out")
    if report["photos_that_lost_all_boxes"]:
        lost = report["photos_that_lost_all_boxes"]
        lines.append(f"{lost:,} photos lost all their boxes: left out, unless convert.incomplete_as_negative is true")
    if report["boxes_of_other_classes"]:
        others = ", ".join(f"{name} {count:,}" for name, count in report["boxes_of_other_classes"].items())
        lines.append(f"left out, not in data.classes: {others}")
    return "\n".join([*lines, *report["decided"], *_lines(report, *get_args(Outcome))])


def _lines(report: dict, *outcomes: Outcome) -> Iterator[str]:
    for outcome in outcomes:
        for reason, entry in report[outcome].items():
            files = list(entry["files"])
            boxes = f", {entry['boxes']:,} boxes" if entry.get("boxes", 0) > entry["count"] else ""
            yield f"{outcome} {entry['count']:,}: {reason}{boxes} ({some_of(files, 3)})"
