"""Thresholds on the command line: one for all, one for a class, and for a precision."""

import pytest

from apparel.analysis.predictions import score_options
from apparel.errors import UserError
from apparel.models.thresholds import Thresholds

THRESHOLDS = Thresholds({"Tops": 0.4, "Skirts": 0.3}, None, {"Tops": {"0.90": 0.8}, "Skirts": {"0.80": 0.7}})


@pytest.mark.parametrize(
    "given, precision, expected",
    [
        ([], None, {"Tops": 0.4, "Skirts": 0.3}),
        (["0.6"], None, {"Tops": 0.6, "Skirts": 0.6}),
        (["Tops=0.7", "0.6"], None, {"Tops": 0.7, "Skirts": 0.6}),
        (["Tops=1"], 0.9, {"Tops": 1.0, "Skirts": 0.7}),
    ],
)
def test_a_class_wins_over_all_and_both_over_a_precision(given, precision, expected):
    assert score_options.thresholds(THRESHOLDS, given, precision).by_class == expected


def test_classes_that_do_not_reach_the_precision_are_named(capsys):
    score_options.thresholds(THRESHOLDS, [], 0.9)
    assert "a precision of 0.9 for Skirts" in capsys.readouterr().out


@pytest.mark.parametrize("given", ["x", "Tops=x", "Tops=", "2", "-0.1", "nan", "Topps=0.5", ""])
def test_what_is_no_score_of_a_class_is_refused(given):
    with pytest.raises(UserError, match="--threshold"):
        score_options.thresholds(THRESHOLDS, [given], None)


@pytest.mark.parametrize("precision", [0.1, 1.0, float("nan")])
def test_a_precision_out_of_range_is_refused(precision):
    with pytest.raises(UserError):
        score_options.thresholds(THRESHOLDS, [], precision)


def test_a_model_without_thresholds_has_none_for_a_precision():
    with pytest.raises(UserError, match="no thresholds by precision"):
        score_options.thresholds(Thresholds({"Tops": 0.5}, None, {}), [], 0.9)
