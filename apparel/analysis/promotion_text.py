"""What `apparel promote` prints: the comparison class by class, what is missing, and what was done."""

from collections.abc import Iterator

from apparel.analysis import compare_page
from apparel.analysis.promotion_run import Outcome
from apparel.tracking.registry import CHAMPION


def outcome_text(outcome: Outcome, name: str, dry_run: bool) -> str:
    """The lines for the terminal."""
    return "\n".join(_lines(outcome, name, dry_run))


def _lines(outcome: Outcome, name: str, dry_run: bool) -> Iterator[str]:
    decision = outcome.decision
    if decision.compared is not None:
        yield compare_page.table_text(decision.compared)
        yield from decision.notes
    if decision.latency is not None:
        before, now = decision.latency
        times = f"{now / before:.2f} times"
        yield f"latency, measured in turn: {before:.1f} ms a photo (champion), {now:.1f} ({name}), {times}"
    if decision.missing:
        yield "missing:"
        yield from (f"  - {text}" for text in decision.missing)
    yield _result(outcome, name, dry_run)
    if outcome.card is not None:
        yield f"model card: {outcome.card / 'index.html'}"
    yield from outcome.lines


def _result(outcome: Outcome, name: str, dry_run: bool) -> str:
    if outcome.was_champion:
        return f"{name} is the {CHAMPION} already: {outcome.version}"
    over = f"in place of {outcome.before}" if outcome.before else "the first one: there was nothing to beat"
    if dry_run:
        return f"dry run: {name} would {'become' if outcome.is_champion else 'not become'} {CHAMPION}, {over}"
    if not outcome.is_champion:
        return f"registered as {outcome.version}; {outcome.before} stays {CHAMPION}"
    forced = ", forced" if outcome.decision.missing else ""
    return f"{outcome.version} is {CHAMPION} now{forced}, {over}"
