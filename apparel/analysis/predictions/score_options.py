"""Thresholds of a prediction run: the model's, for a precision, or as the command line says."""

from collections.abc import Sequence

from apparel.errors import UserError, nearest
from apparel.models.thresholds import Thresholds


def thresholds(of_model: Thresholds, given: Sequence[str], precision: float | None) -> Thresholds:
    """The model's thresholds with those of the command line: the precision first, then one score, then classes'.

    Args:
        of_model: as they come with the model.
        given: as typed, each a score or CLASS=SCORE.
        precision: 0.5 to 0.99, or None.

    Raises:
        UserError: there is no such class, or a value is out of range.
    """
    chosen = of_model
    if precision is not None:
        if not of_model.by_precision:
            raise UserError(
                "the model has no thresholds by precision; train it again, an ensemble: `apparel ensemble fit`, or use "
                "--threshold"
            )
        chosen = of_model.at_precision(precision)
        if missed := of_model.unreached(precision):
            print(f"on val, no threshold reaches a precision of {precision} for {', '.join(missed)}")
    for text in sorted(given, key=lambda text: "=" in text):
        name, _, number = text.rpartition("=")
        try:
            score = float(number)
        except ValueError:
            raise UserError(f"--threshold {text}: '{number}' is no number; the forms are 0.6 and CLASS=0.6") from None
        if name and name not in chosen.by_class:
            raise UserError(f"--threshold {text}: there is no class '{name}'{nearest(name, list(chosen.by_class))}")
        check_score(score, f"--threshold {text}")
        chosen = chosen.overridden({name: score} if name else score)
    return chosen


def check_score(score: float | None, option: str) -> None:
    """Raises a `UserError` unless the score, if there is one, is from 0 to 1."""
    if score is not None and not 0 <= score <= 1:
        raise UserError(f"{option}: a score is a number from 0 to 1")
