"""Promotion of a trained model to champion: what it has to be better in, and what it lacks."""

from collections.abc import Iterator
from dataclasses import dataclass

from apparel.analysis import compare
from apparel.analysis.compare import SAME, UNCLEAR, WORSE, Comparison
from apparel.analysis.result_sets import ResultSet
from apparel.classes import ALL
from apparel.errors import UserError, plain, some_of
from apparel.evaluation import html


@dataclass(frozen=True)
class Decision:
    """Whether a candidate may take the champion's place.

    Attributes:
        compared: champion and candidate on the photos that they share; None without a champion, or if they share none.
        latency: milliseconds a photo of the champion and of the candidate, measured in turn; None without a champion.
        missing: what the candidate lacks, a sentence each; none if it is better.
        notes: sentences on what the comparison leaves out.
    """

    compared: Comparison | None = None
    latency: tuple[float, float] | None = None
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def difference(self) -> str:
        """The difference of mAP50 to the champion with its 95% interval, such as `+0.031 (+0.012 to +0.050)`."""
        if self.compared is None:
            return ""
        (row,) = _rows(self.compared, ALL)
        return _difference(row)


def decide(champion: ResultSet, candidate: ResultSet, latency: tuple[float, float], max_ratio: float) -> Decision:
    """Compares a candidate with the champion on the same test photos.

    The candidate lacks nothing if the lower limit of the 95% interval of its difference in mAP50 is above 0, no class
    is significantly worse or gone, all test photos of the champion are among its own, and its latency is within the
    limit.

    Args:
        champion: results of the present champion.
        candidate: results of the model that is to take its place.
        latency: milliseconds a photo of both, measured side by side.
        max_ratio: how many times the champion's latency the candidate's may be.
    """
    others = _other_photos(champion, candidate)
    gone = [name for name in champion.thresholds if name not in candidate.thresholds]
    missing = [*others, *(f"{plain(name)}: the candidate has no such class, the champion has" for name in gone)]
    try:
        compared = compare.compare([champion, candidate])
    except UserError as error:
        compared, notes = None, []
        missing += [] if others or gone else [str(error)]
    else:
        missing += [*_not_better(compared), *_worse_classes(compared)]
        notes = compared.notes
    before, now = latency
    if now > before * max_ratio:
        missing.append(
            f"latency: {now:.1f} ms a photo, {now / before:.2f} times the champion's {before:.1f}; "
            f"promote.max_latency_ratio in params.yaml allows {max_ratio:g} times"
        )
    return Decision(compared, latency, tuple(missing), tuple(notes))


def _other_photos(champion: ResultSet, candidate: ResultSet) -> list[str]:
    """What is missing where the champion was measured on photos that the candidate was not measured on."""
    keys = ["filename", "sha256"]
    shared = len(champion.photos.merge(candidate.photos[keys], on=keys))
    if shared == len(champion.photos):
        return []
    return [
        f"test photos: the champion was measured on {len(champion.photos)}, the candidate on {len(candidate.photos)}, "
        f"and {shared or 'none'} of them {'is' if shared == 1 else 'are'} the same: which is better on one data set "
        "says nothing of the other. Train the champion's recipe on the new data (`apparel run`, or `dvc exp run`) and "
        "compare with that, or promote with --force and the reason"
    ]


def _not_better(compared: Comparison) -> Iterator[str]:
    (row,) = _rows(compared, ALL)
    if row.verdict == SAME:
        yield "mAP50: both detect exactly the same"
    elif row.verdict == UNCLEAR:
        yield f"mAP50: {_difference(row)}: the interval contains 0, so this can be chance"
    elif row.verdict == WORSE:
        yield f"mAP50: {_difference(row)}: worse"
    elif not row.verdict:
        yield "mAP50: undefined, since the shared test photos have no boxes"


def _worse_classes(compared: Comparison) -> Iterator[str]:
    for row in _rows(compared, *compared.classes):
        if row.verdict == WORSE:
            yield f"{plain(row[1])}: AP50 {html.figure(row.AP50)}, {_difference(row)}: worse beyond chance"


def _rows(compared: Comparison, *classes: str) -> list:
    """The candidate's rows of the comparison's table for these classes."""
    rows = compared.table[compared.table["result"] == 1].set_index("class", drop=False)
    return list(rows.loc[list(classes)].itertuples())


def _difference(row) -> str:
    return f"{html.signed(row.difference)} ({html.signed(row.low)} to {html.signed(row.high)})"


def summary(decision: Decision) -> str:
    """What was found, on one line, as it is kept with the version."""
    if decision.latency is None:
        return "first champion: there was nothing to beat"
    before, now = decision.latency
    times = f"latency {now:.1f} ms a photo instead of {before:.1f}"
    return f"mAP50 {decision.difference}; {times}" if decision.difference else f"not comparable; {times}"


def missing_text(missing: tuple[str, ...]) -> str:
    """What is missing, short enough for a tag."""
    return some_of([text.partition(": which is better")[0] for text in missing], 20)
