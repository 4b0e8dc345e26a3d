"""Whether a candidate may take the champion's place, and what it lacks, on results that were made up here."""

import pytest

from apparel.analysis import promotion
from apparel.analysis.promotion import Decision
from tests.support.box_tables import LEFT, RIGHT, detection_table, truth_table
from tests.support.result_sets import NAMES, finds, result_set

ALIKE = (10.0, 10.0)
WEAK, STRONG = finds(NAMES[:10], wrong=NAMES[10:]), finds(NAMES)


def decide(champion, candidate, latency=ALIKE, max_ratio=1.1):
    return promotion.decide(champion, candidate, latency, max_ratio)


def test_a_model_that_is_better_beyond_chance_lacks_nothing():
    decision = decide(result_set("old", WEAK), result_set("new", STRONG))
    assert decision.missing == ()
    assert promotion.summary(decision).startswith("mAP50 +0.") and "10.0 ms" in promotion.summary(decision)


def test_a_worse_one_is_named_with_its_class():
    missing = decide(result_set("old", STRONG), result_set("new", WEAK)).missing
    assert [text.partition(":")[0] for text in missing] == ["mAP50", "Tops"]
    assert missing[0].endswith("worse") and "worse beyond chance" in missing[1]


def test_a_difference_that_can_be_chance_and_none_at_all():
    (text,) = decide(result_set("old", finds(NAMES[:28])), result_set("new", finds(NAMES[:29]))).missing
    assert "the interval contains 0, so this can be chance" in text
    assert decide(result_set("old", WEAK), result_set("new", WEAK)).missing == ("mAP50: both detect exactly the same",)


def test_a_class_that_got_worse_keeps_the_champion_although_the_mean_is_better():
    classes = ("Tops", "Skirts", "Shorts", "Dresses")
    truth = truth_table(*((name, each, LEFT) for name in NAMES for each in classes))

    def detections(scores):
        return detection_table(
            *((name, each, 0.9, LEFT if name in NAMES[: scores[each]] else RIGHT) for name in NAMES for each in classes)
        )

    sets = [
        result_set(name, detections(counts), ground_truth=truth, classes=classes)
        for name, counts in (
            ("old", {"Tops": 28, "Skirts": 8, "Shorts": 8, "Dresses": 8}),
            ("new", {"Tops": 8, "Skirts": 28, "Shorts": 28, "Dresses": 28}),
        )
    ]
    (text,) = decide(*sets).missing
    assert text.startswith("Tops: AP50 0.0") and text.endswith("worse beyond chance")


@pytest.mark.parametrize(("now", "lacks"), [(11.0, 0), (11.1, 1), (5.0, 0)])
def test_latency_within_the_ratio(now, lacks):
    missing = decide(result_set("old", WEAK), result_set("new", STRONG), (10.0, now)).missing
    assert len(missing) == lacks
    assert all("1.11 times the champion's 10.0" in text and "allows 1.1 times" in text for text in missing)


def test_other_test_photos_are_said_and_never_pass():
    (text,) = decide(result_set("old", WEAK), result_set("new", STRONG, sha256="1")).missing
    assert text.startswith("test photos: the champion was measured on 30, the candidate on 30, and none of them are")
    shared = result_set("new", finds(NAMES[:20]), names=NAMES[:20])
    assert any("and 20 of them are the same" in text for text in decide(result_set("old", WEAK), shared).missing)


def test_a_larger_set_of_test_photos_is_compared_on_the_champions():
    few = NAMES[:20]
    champion = result_set("old", finds(few[:5], wrong=few[5:]), names=few)
    decision = decide(champion, result_set("new", STRONG))
    assert decision.missing == ()
    assert any("Compared on the 20 test photos" in note for note in decision.notes)


def test_a_class_that_the_candidate_does_not_have():
    decision = decide(result_set("old", WEAK, classes=("Tops", "Skirts")), result_set("new", STRONG))
    assert decision.missing == ("Skirts: the candidate has no such class, the champion has",)
    decision = decide(result_set("old", WEAK, classes=("Tops",)), result_set("new", finds([]), classes=("Skirts",)))
    assert decision.compared is None and "Tops: the candidate has no such class" in decision.missing[0]


def test_the_summary_of_a_first_champion():
    assert promotion.summary(Decision()) == "first champion: there was nothing to beat"
