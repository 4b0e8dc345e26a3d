from apparel.analysis.predictions.seen_names import SeenNames


def test_a_name_is_new_once():
    seen = SeenNames()
    names = ["a.jpg", "A.jpg", "", "é\udcff\n"] + [f"{number}.jpg" for number in range(5000)]
    assert all(seen.add(name) for name in names)
    assert not any(seen.add(name) for name in names)
    seen.close()
