"""The class list fits the labels, or is refused with the class that was probably meant."""

import pytest

from apparel.annotations.class_list import check_class_list
from apparel.errors import UserError

FOUND = {"Dresses": 454, "Shorts": 151, "Skirts": 109, "Tops": 451}


@pytest.mark.parametrize("listed", [["Tops"], ["Shorts"], ["Skirts"], ["Tops", "Dresses"], list(FOUND)])
def test_any_selection_of_the_labels_is_accepted(listed):
    assert check_class_list(listed, FOUND) is None


@pytest.mark.parametrize("listed", ["Dreses", "tops", "Top", "skirt"])
def test_a_listed_class_that_never_occurs_is_refused_with_the_nearest(listed):
    meant = {"D": "Dresses", "t": "Tops", "T": "Tops", "s": "Skirts"}[listed[0]]
    with pytest.raises(
        UserError, match=rf"no box is labelled '{listed}'; did you mean '{meant}'\?; found are Dresses \(454\)"
    ):
        check_class_list(["Shorts", listed], FOUND)


def test_a_class_that_resembles_no_other_gets_no_hint():
    with pytest.raises(UserError, match="no box is labelled 'Hats'; found are"):
        check_class_list(["Hats"], FOUND)


def test_no_boxes_at_all_is_refused():
    with pytest.raises(UserError, match="no boxes at all"):
        check_class_list(["Tops"], {})


@pytest.mark.parametrize("label", ["dresses", "DRESSES", "Dress", "Dresses_", "Dre sses", "Dreses", "Dressses"])
def test_a_label_that_looks_like_a_listed_class_is_refused(label):
    with pytest.raises(UserError, match=f"2 boxes are labelled '{label}'.*looks like 'Dresses'"):
        check_class_list(["Tops", "Dresses"], FOUND | {label: 2})


@pytest.mark.parametrize(
    ("listed", "other"), [("Skirts", "Shirts"), ("Shorts", "Shirts"), ("Cap", "Cape"), ("Top", "Tie")]
)
def test_other_words_are_not_taken_for_misspellings(listed, other):
    assert check_class_list([listed], {listed: 100, other: 20}) is None


@pytest.mark.parametrize(
    ("listed", "other"), [("size 10", "size 12"), ("class_1", "class_2"), ("C", "C#"), ("A", "A+")]
)
def test_numbers_and_symbols_with_a_meaning_distinguish_classes(listed, other):
    assert check_class_list([listed], {listed: 100, other: 2}) is None


def test_a_frequent_label_is_its_own_class():
    assert check_class_list(["Trousers 1"], {"Trousers 1": 100, "Trousers 2": 80}) is None
