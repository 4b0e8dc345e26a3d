"""Problems in annotation files: what was repaired, dropped, or is only noted, and why."""

from dataclasses import dataclass, field
from typing import Literal

from apparel.errors import plain

Outcome = Literal["repaired", "dropped", "noted"]


@dataclass(frozen=True)
class Problem:
    """A problem in an annotation file; `boxes` is the number of boxes that it concerns."""

    outcome: Outcome
    reason: str
    file: str
    detail: str
    boxes: int = 1


@dataclass
class Problems:
    """The problems of one annotation file, in the order in which they were met.

    `where` is the position in a file of many photos, such as `line 3`, for the details.
    """

    file: str
    where: str = ""
    entries: list[Problem] = field(default_factory=list)

    def add(self, outcome: Outcome, reason: str, detail: object = "", boxes: int = 1) -> None:
        """Adds a problem. Texts come from outside, so what a terminal cannot show in them is masked."""
        detail = ": ".join(filter(None, (self.where, str(detail))))
        self.entries.append(Problem(outcome, reason, plain(self.file), plain(detail), boxes))

    def dropped_boxes(self) -> int:
        """The number of boxes that were dropped."""
        return sum(problem.boxes for problem in self.entries if problem.outcome == "dropped")
