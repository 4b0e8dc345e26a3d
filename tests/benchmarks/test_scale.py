import pytest

from apparel.errors import UserError
from benchmarks import scale


def test_the_exponent_is_one_where_time_is_in_proportion():
    first, second = scale.Run("split", 100, 2.0, 3.0, 0), scale.Run("split", 1000, 20.0, 300.0, 0)
    assert scale.exponent(first, second) == pytest.approx(1)
    assert scale.exponent(first, second, processor=True) == pytest.approx(2)


@pytest.mark.slow
def test_convert_and_a_project_that_does_nothing_are_measured_at_two_sizes():
    lines = scale.measure([60, 30], ["convert", "dvc"]).splitlines()
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith(("| convert", "| dvc"))
    ]
    assert [row[:2] for row in rows] == [["convert", "30"], ["convert", "60"], ["dvc", "30"], ["dvc", "60"]]
    assert all(float(row[2]) > 0 and float(row[6]) > 10 for row in rows)
    assert [bool(row[3]) for row in rows] == [False, True, False, True]


@pytest.mark.slow
def test_a_stage_that_fails_is_told_with_its_message():
    with pytest.raises(UserError, match=r"split failed: .*data/results/convert not found"):
        scale.measure([3], ["split"])
