import re

from benchmarks import side_by_side
from benchmarks.side_by_side import Row


def test_the_ways_take_turns_after_one_call_that_does_not_count():
    calls = []
    ways = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    seconds, processor = side_by_side.time_in_turns(ways, rounds=2)
    assert "".join(calls) == "ababab"
    for measured in (seconds, processor):
        assert {name: len(times) for name, times in measured.items()} == {"a": 2, "b": 2}


def test_the_ratio_is_the_median_of_the_rounds_not_of_the_medians():
    assert Row("ours", "a loop", [1.0, 4.0, 2.0], [3.0, 4.0, 8.0], "photos").ratio() == "3.00 (1.00 to 4.00)"


def test_a_row_shows_rates_of_an_amount_and_else_seconds():
    seconds = {"ours": [1.0, 4.0, 2.0], "loop": [3.0, 4.0, 8.0]}
    (row,) = side_by_side.rows(seconds, "a set", 100)
    assert row.cells() == ["ours", "50 photos/s", "loop: 25 photos/s", "3.00 (1.00 to 4.00)", "a set"]
    (row,) = side_by_side.rows(seconds, "a set")
    assert row.cells()[1:3] == ["2 s", "loop: 4 s"]


def test_the_table_says_on_which_machine_and_is_markdown(monkeypatch):
    monkeypatch.setattr(side_by_side, "machine", lambda: "a machine")
    rows = [Row("one", "a loop", [2.0], [3.0], "work"), Row("another", "none", [1.0], [1.0], "more work", 10)]
    title, empty, header, line, *lines = side_by_side.table(rows).splitlines()
    assert (title, empty) == ("a machine", "")
    assert header.count("|") == 6 and set(line) <= set("|- ")
    assert [re.split(r" *\| *", text)[1] for text in lines] == ["one", "another"]
    assert len({len(text) for text in [header, line, *lines]}) == 1


def test_the_machine_names_instruction_sets_that_are_there_or_not():
    text = side_by_side.machine()
    assert " core" in text and "avx512f" in text and "amx_tile" in text
