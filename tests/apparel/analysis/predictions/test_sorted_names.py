"""Names in order, more of them than are held in memory."""

from apparel.analysis.predictions import sorted_names


def test_more_names_than_are_held_are_sorted_on_the_disk(monkeypatch):
    monkeypatch.setattr(sorted_names, "NAMES_IN_MEMORY", 7)
    names = [f"{number * 37 % 100:03}\n\udcff" for number in range(100)]
    for count in (0, 6, 7, 8, 14, 100):
        assert list(sorted_names.sorted_on_disk(names[:count])) == sorted(names[:count])
