import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apparel import boxes
from apparel.data import duplicates
from apparel.data.pinned_split import SPLITS, PinnedSplit, read_pinned_split
from apparel.data.split import (
    assign_photos,
    count_boxes,
    split_notes,
)
from apparel.errors import UserError
from tests.support.repository import LABELS
from tests.support.split_params import split_params

MISSING = "41429154_915a98d4a8a223a795032108cdd335d2.thumbnail.jpg"
NOT_PINNED = PinnedSplit(None, None, ())


def table(photos):
    """A label table: a box for each letter of each photo's string of classes."""
    rows = [(name, 9, 9, label, 0, 0, 1 + n, 1) for name, labels in photos.items() for n, label in enumerate(labels)]
    return boxes.validate_labels(pd.DataFrame(rows, columns=boxes.LABEL_COLUMNS))


def many_photos(count=400, seed=0):
    """Photos with up to three of the classes a (common), b and c (rare), and some without boxes."""
    draw = np.random.default_rng(seed)
    return {
        f"{number:03}.jpg": "".join(
            label for label, share in (("a", 0.5), ("b", 0.2), ("c", 0.05)) if draw.random() < share
        )
        for number in range(count)
    }


def assign(photos, pinned=NOT_PINNED, groups=None, classes="abc", **changes):
    return assign_photos(list(photos), table(photos), list(classes), split_params(**changes), pinned, groups)


def members(assigned, split):
    return {name for name, its_split in assigned.items() if its_split == split}


def test_each_class_is_split_four_to_one():
    photos = many_photos()
    assigned = assign(photos)
    assert len(assigned) == 400 and abs(len(members(assigned, "test")) - 80) <= 4
    for label in "abc":
        of_class = {name for name, labels in photos.items() if label in labels}
        assert abs(len(of_class & members(assigned, "test")) - 0.2 * len(of_class)) <= 2
        assert abs(len(of_class & members(assigned, "val")) - 0.8 * 0.15 * len(of_class)) <= 2
    empty = {name for name, labels in photos.items() if not labels}
    assert abs(len(empty & members(assigned, "test")) - 0.2 * len(empty)) <= 3


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("classes", "photos_per_class", "sizes"),
    [(30, 4, (81, 14, 25)), (20, 3, (40, 7, 13)), (12, 9, (73, 13, 22)), (3, 3, (6, 1, 2))],
)
def test_many_small_classes_are_not_all_rounded_the_same_way(classes, photos_per_class, sizes, seed):
    letters = [chr(ord("a") + number) for number in range(classes)]
    photos = {f"{letter}{number}": letter for letter in letters for number in range(photos_per_class)}
    assigned = assign(photos, classes=letters, seed=seed)
    counts = [len(members(assigned, split)) for split in SPLITS]
    assert all(abs(count - size) <= max(1, size // 10) for count, size in zip(counts, sizes, strict=True)), counts
    assert {name[0] for name in members(assigned, "train")} == set(letters)


def test_the_seed_decides_and_the_order_of_photos_does_not():
    photos = many_photos()
    assert assign(photos) == assign(dict(reversed(photos.items())))
    assert list(assign(photos)) == sorted(photos)
    assert assign(photos) != assign(photos, seed=1)


@settings(max_examples=25)
@given(
    st.dictionaries(st.integers(0, 99).map(str), st.sampled_from(["a", "ab", "b", ""]), min_size=12, max_size=30),
    st.data(),
)
def test_photos_of_a_group_share_a_split(photos, data):
    groups = {name: data.draw(st.sampled_from(sorted(photos))) for name in sorted(photos)}
    try:
        assigned = assign(photos, groups=groups, classes="ab")
    except UserError:
        return
    assert assigned.keys() == photos.keys() and set(assigned.values()) == set(SPLITS)
    for group in set(groups.values()):
        assert len({assigned[name] for name in photos if groups[name] == group}) == 1


def test_many_copies_of_one_photo_do_not_change_the_shares():
    photos = {f"{number:03}.jpg": "a" for number in range(200)}
    groups = {name: "000.jpg" if name < "080.jpg" else name for name in photos}
    for seed in range(5):
        assigned = assign(photos, groups=groups, classes="a", seed=seed)
        assert {assigned[name] for name in photos if name < "080.jpg"} == {"train"}
        assert [len(members(assigned, split)) for split in SPLITS] == [136, 24, 40]


def test_a_class_list_of_one():
    assigned = assign({f"{n}.jpg": "a" for n in range(20)}, classes="a")
    assert [len(members(assigned, split)) for split in SPLITS] == [14, 2, 4]


@pytest.mark.parametrize(
    ("photos", "message"),
    [
        ({"1": "a"}, "would have no photos .train 1, val 0, test 0."),
        ({"1": "a", "2": "a"}, "val would have no photos"),
        ({f"{n}": "a" for n in range(20)} | {"x": ""}, "no photo in train has a box of 'b'"),
    ],
)
def test_a_split_that_cannot_be_used_is_refused(photos, message):
    with pytest.raises(UserError, match=message):
        assign(photos, classes="ab")


def test_near_duplicates_that_leave_a_split_empty_are_named_as_the_reason():
    photos = {f"{number:02}.jpg": "a" for number in range(40)}
    one_group = dict.fromkeys(photos, "00.jpg")
    with pytest.raises(UserError) as error:
        assign(photos, classes="a", groups=one_group)
    message = str(error.value)
    sizes = "val would have no photos (train 40, val 0, test 0)"
    assert message.startswith(f"{sizes}: these 40 photos are one group of near duplicates")
    assert "split.keep_duplicates_together: false" in message and "add photos" in message
    sizes = r"^val would have no photos \(train 39, val 0, test 1\)"
    with pytest.raises(UserError, match=f"{sizes}: these 39 photos are one group of near duplicates"):
        assign(photos, classes="a", groups=one_group | {"39.jpg": "39.jpg"})
    assert set(assign(photos, classes="a").values()) == set(SPLITS)


def test_pinned_photos_keep_their_split_and_val_is_drawn_from_the_others():
    photos = many_photos()
    pinned, other = frozenset(list(photos)[:80]), frozenset(list(photos)[80:150])
    groups = {name: "one" if name in ("000.jpg", "399.jpg", "398.jpg") else name for name in photos}
    assigned = assign(photos, PinnedSplit(None, pinned, ()), groups)
    assert members(assigned, "test") == pinned and len(assigned) == 400
    assert assigned["398.jpg"] == assigned["399.jpg"]
    assigned = assign(photos, PinnedSplit(pinned, None, ()))
    assert members(assigned, "train") | members(assigned, "val") == pinned and len(assigned) == 400
    assigned = assign(photos, PinnedSplit(pinned, other, ()))
    assert members(assigned, "test") == other and assigned.keys() == pinned | other


def test_photos_of_val_are_pinned_and_the_list_of_train_may_have_them_too(tmp_path):
    for name, text in {"trainval": "1\n2\n3\n", "val": "2\n", "test": "4\n"}.items():
        (tmp_path / f"{name}.txt").write_text(text)
    config = split_params(train_list="trainval.txt", val_list="val.txt", test_list="test.txt")
    names = [f"{number}.jpg" for number in range(1, 6)]
    pinned = read_pinned_split(config, tmp_path, names)
    assert (pinned.train, pinned.val, pinned.test) == ({"1.jpg", "2.jpg", "3.jpg"}, {"2.jpg"}, {"4.jpg"})
    labels = table(dict.fromkeys(names, "a"))
    assigned = assign_photos(names, labels, ["a"], config, pinned, None)
    assert assigned == {"1.jpg": "train", "2.jpg": "val", "3.jpg": "train", "4.jpg": "test"}
    pinned = read_pinned_split(config := split_params(val_list="val.txt", test_fraction=0.25), tmp_path, names)
    assigned = assign_photos(names, labels, ["a"], config, pinned, None)
    assert [name for name, split in assigned.items() if split == "val"] == ["2.jpg"]
    assert sorted(assigned.values()) == ["test", "train", "train", "train", "val"]


def test_boxes_are_counted_in_the_order_of_the_classes():
    labels = table({"1": "aab", "2": "a", "3": "b"})
    counts = count_boxes(labels, {"1": "train", "2": "test"}, ["b", "a"])
    assert counts.columns.tolist() == ["class", "counts_train", "counts_val", "counts_test", "total"]
    assert counts.to_numpy().tolist() == [["b", 1, 0, 0, 1], ["a", 2, 0, 1, 3]]


def test_notes_name_what_is_unusual():
    assigned = {"1": "train", "2": "test", "3": "val"}
    counts = count_boxes(table({"1": "ab", "2": "a", "3": "a"}), assigned, ["a", "b"])
    pairs = [("1", "2", "mirrored"), ("1", "3", "by name"), ("2", "9", "turned")]
    pairs = pd.DataFrame(pairs, columns=duplicates.PAIR_COLUMNS)
    pinned = PinnedSplit(None, frozenset("2"), ("p", "q", "r", "s"))
    lines = split_notes(counts, assigned, pinned, pairs, photo_count=5)
    assert lines == [
        "photos in the lists that are not in the data set: 4 (p, q, r and 1 more)",
        "photos in none of the lists, left out: 2",
        "warning: val has no box of b; nothing is measured for it there",
        "warning: test has no box of b; nothing is measured for it there",
        "near duplicates: 3 photos in 1 groups (pairs: mirrored 1, by name 1)",
        "warning: pairs of near duplicates with one photo in test and one in train or val: 1 (mirrored 1), 1 and 2",
        "warning: pairs of near duplicates with one photo in val and one in train: 1 (by name 1), 1 and 3",
    ]


published = pytest.mark.shared("apparel/labels")


def published_split(classes, **lists):
    labels = boxes.read_labels(LABELS / "labels.csv")
    labels = labels[labels["filename"] != MISSING]
    names = sorted(set(labels["filename"]))
    labels = labels[labels["class"].isin(classes)]
    config = split_params(**lists)
    pinned = read_pinned_split(config, LABELS, names)
    assigned = assign_photos(names, labels, classes, config, pinned, None)
    return count_boxes(labels, assigned, classes).set_index("class"), assigned, pinned


@published
def test_the_published_summary_is_reproduced():
    expected = pd.read_csv(LABELS / "summary.csv", index_col="class")
    counts, assigned, _ = published_split(list(expected.index), test_list="test_labels.csv")
    expected.loc["Dresses", ["counts_train", "total"]] -= 1
    assert (counts["counts_train"] + counts["counts_val"]).equals(expected["counts_train"])
    assert counts["counts_test"].equals(expected["counts_test"]) and counts["total"].equals(expected["total"])
    assert len(members(assigned, "test")) == 183 and len(assigned) == 910
    _, from_train, pinned = published_split(list(expected.index), train_list="train_labels.csv")
    assert from_train == assigned and pinned.missing == (MISSING,)


@published
@pytest.mark.parametrize(
    ("folder", "classes", "expected"),
    [
        ("one_class", ["Pants_Leggings"], (80, 133, 20, 24)),
        ("two_classes", ["Pants_Leggings", "Dresses"], (213, 307, 54, 68)),
    ],
)
def test_the_published_smaller_experiments_are_reproduced(folder, classes, expected):
    lists = {"train_list": f"{folder}/train_labels.csv", "test_list": f"{folder}/test_labels.csv"}
    counts, assigned, pinned = published_split(classes, **lists)
    test = len(members(assigned, "test"))
    train_boxes, test_boxes = counts[["counts_train", "counts_val"]].to_numpy().sum(), counts["counts_test"].sum()
    assert (len(assigned) - test, train_boxes, test, test_boxes) == expected and not pinned.missing


def shop(count=100):
    """Photos with garments of three classes, the fourth photo of each five a near duplicate of the fifth."""
    photos = {f"{number:03}.jpg": "abc"[number % 3] + ("b" if number % 7 == 0 else "") for number in range(count)}
    groups = {name: name if int(name[:3]) % 5 != 3 else f"{int(name[:3]) + 1:03}.jpg" for name in photos}
    return photos, groups


@pytest.mark.parametrize("of", ["", " of all"])
def test_each_photo_is_in_one_fold_and_test_stays(of):
    photos, groups = shop()
    plain = assign(photos, groups=groups)
    folds = [assign(photos, groups=groups, fold=f"{number}/4{of}") for number in range(1, 5)]
    divided = {name for name, split in plain.items() if of or split != "test"}
    held_out = [{name for name, split in fold.items() if split == "val"} for fold in folds]
    assert set.union(*held_out) == divided and sum(map(len, held_out)) == len(divided)
    for fold, members in zip(folds, held_out, strict=True):
        assert {name for name, split in fold.items() if split == "train"} == divided - members
        assert {name for name, split in fold.items() if split == "test"} == photos.keys() - divided
        assert all(fold[name] == fold[group] for name, group in groups.items())
        for kind in "abc":
            count = sum(kind in photos[name] for name in divided) / 4
            assert abs(sum(kind in photos[name] for name in members) - count) <= 3


def test_folds_repeat_and_another_seed_draws_others():
    photos, groups = shop()
    fold = assign(photos, groups=groups, fold="2/4")
    shuffled = dict(sorted(photos.items(), reverse=True))
    assert assign(shuffled, groups=groups, fold="2/4") == fold
    other = assign(photos, groups=groups, fold="2/4 of all", seed=1)
    assert other != assign(photos, groups=groups, fold="2/4 of all")


def test_more_folds_than_photos_are_refused():
    photos = {f"{number}.jpg": "a" for number in range(5)}
    with pytest.raises(UserError, match=r"8 folds need as many photos .* there are 5"):
        assign(photos, fold="1/8 of all")
