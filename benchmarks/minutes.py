"""Minutes until a training's mAP50 on val reached 0.5 and 0.6, for each training that this clone has a record of."""

from collections.abc import Sequence

from apparel.errors import UserError
from apparel.tracking import local_runs
from apparel.tracking.local_runs import Validation
from benchmarks.side_by_side import machine

LEVELS = (0.5, 0.6)
"""mAP50 on val, 0 to 1."""


def measure() -> str:
    """A table in Markdown, a line a training, the earliest first.

    Raises:
        UserError: there is no record of a training.
    """
    trainings = local_runs.validations()
    if not trainings:
        raise UserError("no training of this clone has been validated yet; run `dvc repro train`")
    header = ["run", *(f"minutes to {level}" for level in LEVELS), "best", "minutes to it", "validations"]
    lines = [header, ["---"] * len(header), *(_cells(name, measured) for name, measured in trainings)]
    return "\n".join([machine(), "", *("| " + " | ".join(line) + " |" for line in lines)])


def _cells(name: str, measured: Sequence[Validation]) -> list[str]:
    best = max(measured, key=lambda one: (one.map50 == one.map50, one.map50))  # val without boxes: not a number
    reached = [_minutes(next((one for one in measured if one.map50 >= level), None)) for level in LEVELS]
    return [name, *reached, f"{best.map50:.3f}", _minutes(best), str(len(measured))]


def _minutes(validation: Validation | None) -> str:
    return "not reached" if validation is None else f"{validation.seconds / 60:.1f}"
