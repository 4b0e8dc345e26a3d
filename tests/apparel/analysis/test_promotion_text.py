"""What `apparel promote` prints."""

from pathlib import Path

from apparel.analysis import promotion
from apparel.analysis.promotion import Decision
from apparel.analysis.promotion_run import Outcome
from apparel.analysis.promotion_text import outcome_text
from apparel.tracking.registry import Version
from tests.support.result_sets import NAMES, finds, result_set

OLD, NEW = (Version("garments", number, f"m-{number}", "run", "0.dir", {}) for number in (1, 2))
DECISION = promotion.decide(
    result_set("old", finds(NAMES)), result_set("new", finds(NAMES[:9], wrong=NAMES)), (10.0, 20.0), 1.1
)


def test_a_refusal_has_the_table_the_latency_and_each_thing_that_is_missing():
    text = outcome_text(Outcome(DECISION, OLD, NEW, card=Path("cards")), "new", dry_run=False)
    assert "latency, measured in turn: 10.0 ms a photo (champion), 20.0 (new), 2.00 times" in text
    assert text.count("\n  - ") == len(DECISION.missing) == 3
    assert "registered as garments version 2; garments version 1 stays champion" in text
    assert "model card: cards/index.html" in text


def test_a_dry_run_says_what_would_be():
    text = outcome_text(Outcome(DECISION, OLD), "new", dry_run=True)
    assert text.endswith("dry run: new would not become champion, in place of garments version 1")
    text = outcome_text(Outcome(Decision(), None, is_champion=True), "new", dry_run=True)
    assert text.endswith("dry run: new would become champion, the first one: there was nothing to beat")
