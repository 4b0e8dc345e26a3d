from benchmarks import side_by_side


def test_the_ways_take_turns_after_one_call_that_does_not_count():
    calls = []
    seconds = side_by_side.time_in_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=2)
    assert "".join(calls) == "ababab"
    assert {name: len(times) for name, times in seconds.items()} == {"a": 2, "b": 2}


def test_the_ratio_is_the_median_of_the_rounds_not_of_the_rates():
    text = side_by_side.rates_table("title", {"ours": [1.0, 4.0, 2.0], "loop": [3.0, 4.0, 8.0]}, 100, "photos")
    title, ours, loop = text.splitlines()
    assert title == "title"
    assert ours.split() == ["ours", "50", "photos/s"]
    assert "25 photos/s" in loop and "ours is 3.00 times as fast (1.00 to 4.00)" in loop
