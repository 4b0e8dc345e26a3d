"""One `apparel promote`: candidate and champion are found and compared, then registry, card, git tags and log written.

A promotion that was killed can be repeated: the version, its tags and the card come out the same, and the alias moves
last of all that MLflow has.
"""

import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock

from apparel import params, paths
from apparel.analysis import latency, model_card, promotion, result_sets, several_models
from apparel.analysis.promotion import Decision
from apparel.analysis.result_sets import ResultSet
from apparel.errors import UserError
from apparel.tracking.reader import Reader, StoredRun
from apparel.tracking.registry import CHAMPION, NAME, Registry, Version
from apparel.tracking.server import server_address
from apparel.utils import locking
from apparel.versioning import artifact_tags, dvc_lock, git, provenance

LOCK = paths.LOCAL / "promote.lock"
"""Held while one candidate is compared and promoted: a second one is then compared with the new champion."""

LOG = paths.LOCAL / "promotions.jsonl"
"""Every decision of this clone, a JSON object a line."""

CARDS = paths.LOCAL / "cards"
"""Model cards by version, such as `garments-v3`; MLflow's run has the same files under `card`."""


@dataclass(frozen=True)
class Candidate:
    """A trained model with its results.

    Attributes:
        results: on the test split.
        run: MLflow's run that trained it.
        model: DVC's hash of the model folder.
        folder: the model folder, as MLflow has it.
        revision: the commit or experiment whose dvc.lock has the model; None where none has.
    """

    results: ResultSet
    run: StoredRun
    model: str
    folder: Path
    revision: str | None


@dataclass
class Outcome:
    """What a promotion did.

    Attributes:
        decision: the comparison with the champion.
        before: the champion before.
        version: the candidate's version; None in a dry run of a model that has none.
        is_champion: whether the alias is at the candidate now, or would be after a dry run.
        was_champion: whether it was before.
        card: folder of the model card; None in a dry run.
        lines: further sentences for the terminal.
    """

    decision: Decision
    before: Version | None
    version: Version | None = None
    is_champion: bool = False
    was_champion: bool = False
    card: Path | None = None
    lines: list[str] = field(default_factory=list)


def promote(name: str, reason: str | None = None, dry_run: bool = False) -> Outcome:
    """Registers a model and makes it champion if it is better than the present one, or for a reason.

    Args:
        name: a run in MLflow, an experiment, a commit or `workspace`.
        reason: why the model becomes champion whatever the comparison says.
        dry_run: compare only.

    Raises:
        UserError: there is no such model, MLflow cannot be reached, or another process moved the alias meanwhile.
    """
    reader, registry = Reader(), Registry()
    candidate = find_candidate(name, reader, registry)
    paths.LOCAL.mkdir(exist_ok=True)
    if locking.is_held(LOCK):
        print("another promotion runs; this one waits, and is compared with its champion")
    with FileLock(LOCK):
        before = registry.version(CHAMPION)
        if before and before.model == candidate.model:
            outcome = Outcome(Decision(), before, before, is_champion=True, was_champion=True)
            return outcome if dry_run else _complete(outcome, candidate, reader, registry, before.tags)
        decision = judge(candidate, before, reader, registry)
        is_champion = reason is not None or not decision.missing
        outcome = Outcome(decision, before, is_champion=is_champion)
        if dry_run:
            return outcome
        outcome.version = registry.register(candidate.run.id, candidate.model)
        tags = _version_tags(outcome, reason)
        registry.set_tags(outcome.version, tags)
        if is_champion:
            _check_unmoved(registry, before)
        return _complete(outcome, candidate, reader, registry, tags)


def find_candidate(name: str, reader: Reader, registry: Registry) -> Candidate:
    """The trained model of that name with its results and its run.

    Raises:
        UserError: it has no results, no run in MLflow, or no model there.
    """
    several_models.refuse(
        name, "apparel promote", "`apparel compare workspace NAME` judges it, `apparel predict --model NAME` uses it"
    )
    results = result_sets.load(name, lambda: reader)
    if results.split != "test":
        raise UserError(
            f"'{name}' was judged on {results.split}, by which its weights were chosen (split.fold): a champion has to "
            "be measured on test; `apparel run` without split.fold trains such a model"
        )
    run_id = result_sets.find_run(results, reader)
    run = reader.find(run_id) if run_id else None
    if run is None:
        raise UserError(
            f"MLflow at {server_address()} has no run that trained the model of '{name}'; `apparel sync` sends runs "
            "that wait here, MLFLOW_TRACKING_URI names another server, `dvc repro --force train` makes a new run"
        )
    if results.model is None:
        raise UserError(
            f"MLflow's run {run.id} does not name its model's hash; `dvc repro --force train` makes one that does"
        )
    folder = registry.fetch(registry.logged_model(run.id), results.model)
    return Candidate(results, run, results.model, folder, _revision(results.model))


def judge(candidate: Candidate, champion: Version | None, reader: Reader, registry: Registry) -> Decision:
    """Compares a candidate with the champion; a champion that cannot be compared is a reason not to promote."""
    if champion is None:
        return Decision()
    print(f"comparing with the champion, {champion}: both are measured now, some seconds", file=sys.stderr)
    limit = params.load().promote.max_latency_ratio
    try:
        results = _champion_results(champion, reader)
        folder = registry.fetch(champion.logged, champion.model)
        measured = latency.measure_in_turn([folder, candidate.folder])
    except UserError as error:
        return Decision(missing=(f"the champion, {champion}, cannot be compared: {error}",))
    return promotion.decide(results, candidate.results, (measured[0], measured[1]), limit)


def _champion_results(champion: Version, reader: Reader) -> ResultSet:
    """The champion's results from its run; where the run has none, from the commit that has its model."""
    try:
        return result_sets.load(champion.run, lambda: reader)
    except UserError:
        revision = _revision(champion.model) if champion.model else None
        if revision is None:
            raise
        return result_sets.load(revision, lambda: reader)


def _revision(model: str) -> str | None:
    """The commit or experiment whose dvc.lock has this model; one that is tagged as a version first."""
    if git.refusal():
        return None
    tagged = [commit for commit in artifact_tags.tagged_commits(NAME).values() if _has(commit, model)]
    lock = None if tagged else dvc_lock.find_output(model)
    if tagged or (lock and lock.revision):
        return tagged[0] if tagged else lock.revision
    revisions = git.commits_changing(model, list(dvc_lock.FILES))
    return next((revision for revision in revisions if _has(revision, model)), None)


def _has(revision: str, model: str) -> bool:
    try:
        return dvc_lock.read_commit(revision).maker_of(model) is not None
    except UserError:
        return False


def _check_unmoved(registry: Registry, before: Version | None) -> None:
    now = registry.version(CHAMPION)
    if (now and now.number) != (before and before.number):
        raise UserError(
            f"while this was compared with {before or 'no champion'}, another process made {now or 'no version'} "
            "champion; promote again, so that it is compared with that"
        )


def _version_tags(outcome: Outcome, reason: str | None) -> dict[str, str]:
    """What the version keeps of the decision."""
    result = "promoted" if outcome.is_champion else "refused"
    if outcome.is_champion and outcome.before is None:
        result = "first champion"
    if outcome.is_champion and outcome.decision.missing:
        result = "forced"
    return {
        "promote.result": result,
        "promote.over": str(outcome.before or "nothing"),
        "promote.figures": promotion.summary(outcome.decision) if outcome.decision.compared else "",
        "promote.missing": promotion.missing_text(outcome.decision.missing),
        "promote.reason": reason or "",
    }


def _complete(
    outcome: Outcome, candidate: Candidate, reader: Reader, registry: Registry, tags: dict[str, str]
) -> Outcome:
    """Writes the card, moves the alias, writes git tags and the log; what an earlier attempt left out, too."""
    version = outcome.version
    outcome.card = CARDS / f"{NAME}-v{version.number}"
    card = model_card.collect(candidate.results, candidate.run, candidate.revision, str(version), tags)
    pages = model_card.write(card, outcome.card)
    registry.describe(version, model_card.summary(card))
    try:
        for page in pages:
            reader.attach(candidate.run.id, page, "card")
    except UserError as error:
        outcome.lines.append(f"warning: the card is not in MLflow's run: {error}")
    if outcome.is_champion and not outcome.was_champion:
        registry.set_alias(version)
    if outcome.is_champion:
        outcome.lines += _tag_commit(version, candidate.revision, tags)
    _append_to_log(outcome, tags)
    return outcome


def _tag_commit(version: Version, revision: str | None, tags: dict[str, str]) -> list[str]:
    """Tags the commit for `dvc artifacts get`; returns what to say of it."""
    later = f"`dvc artifacts get` does not find {version} yet"
    if revision is None:
        return [f"{later}: no commit has its dvc.lock; commit it, then `apparel promote` this model again"]
    message = f"{version}: {tags.get('promote.result', CHAMPION)}"
    message += "".join(f"\n{tags[key]}" for key in ("promote.figures", "promote.reason") if tags.get(key))
    try:
        names = artifact_tags.write(NAME, CHAMPION, version.number, revision, message)
    except UserError as error:
        return [f"{later}: {error}"]
    return [
        f"git tags {' and '.join(names)} of commit {revision[:7]}: `dvc artifacts get . {NAME} --stage {CHAMPION}`; "
        f"for others: git push origin {' '.join(repr(name) for name in names)}, and `dvc push`"
    ]


def _append_to_log(outcome: Outcome, tags: dict[str, str]) -> None:
    entry = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "user": provenance.source()["mlflow.user"],
        "version": str(outcome.version),
        "run": outcome.version.run,
        "model": outcome.version.model,
    }
    if outcome.was_champion:
        entry["repeated"] = True
    with LOG.open("a", encoding="utf-8") as log:
        log.write(json.dumps(entry | {key: value for key, value in tags.items() if key.startswith("promote.")}) + "\n")
