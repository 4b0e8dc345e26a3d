"""Links of a chain: which are broken, and which are the project's code."""

import pytest

from apparel.analysis.trace_link import Chain, Link, is_code


def test_a_link_with_a_problem_is_broken():
    whole, broken = Link("photos", "data/shop/photos", "1" * 32), Link("run", "", "", problem="no run trained this")
    assert Chain("six", "eval", None, None, [whole, broken]).broken == [broken]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("apparel/boxes.py", True),
        ("apparel/evaluation/report.html", True),
        ("data/demo/draw.py", True),
        ("data/demo/photos", False),
        ("configs/ssd_mobilenet_v1.config", False),
    ],
)
def test_code_is_all_but_data_and_pipeline_files(path, expected):
    assert is_code(path) is expected
