"""Plan of a cross-validation: its trainings, one a fold and seed, their parameters, and how long they take."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apparel import params, paths
from apparel.analysis import crossval_results, recipes, run_plan
from apparel.errors import UserError
from apparel.models import prerequisites
from apparel.sweeps import snapshot
from apparel.sweeps.snapshot import Snapshot
from apparel.utils import nested
from apparel.versioning import git

STAGES = ["split", "tfrecord", "train", "eval"]
"""What each training runs; convert is the same for all."""

RECORD = "training.json"
"""What is known of a finished training, beside its results."""


@dataclass(frozen=True)
class Training:
    """One training: a fold, from 1, and the value of train.seed; `values` are its keys of params.yaml."""

    seed: int
    fold: int
    experiment: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What is run.

    Attributes:
        name: of the cross-validation; its experiments are `<name>-s<seed>-f<fold>`.
        config: the whole of params.yaml, with the given values as they are in the first fold.
        values: the given values, by dotted name; in texts `%fold` stands for the number of the fold.
        folds: number of folds, 2 or more.
        seeds: values of train.seed.
        of_all: whether the photos of test are divided, too.
        snapshot: the state of the project.
    """

    name: str
    config: params.Params
    values: dict[str, Any]
    folds: int
    seeds: tuple[int, ...]
    of_all: bool
    snapshot: Snapshot

    def trainings(self) -> Iterator[Training]:
        """All trainings, seed by seed."""
        suffix = " of all" if self.of_all else ""
        no_formats = {"export.formats": []} if self.config.export.formats else {}
        for seed in self.seeds:
            for fold in range(1, self.folds + 1):
                own = {"split.fold": f"{fold}/{self.folds}{suffix}", "train.seed": seed} | no_formats
                yield Training(seed, fold, f"{self.name}-s{seed}-f{fold}", _of_fold(self.values, fold) | own)

    def params_of(self, training: Training) -> params.Params:
        """The whole of params.yaml of one training."""
        return recipes.apply_values(self.config.model_dump(mode="json"), nested.nest(training.values), "crossval")

    def flat(self) -> dict[str, Any]:
        """All parameters by dotted name, as they were given: with `%fold` where trainings differ in it."""
        return self.config.flat() | {name: value for name, value in self.values.items() if _differs(value)}

    def identity(self) -> str:
        """A hash of what all its trainings have in common: of the state of the project, the values and the folds."""
        settings = [self.snapshot.tree, self.values, self.config.train.seed, self.folds, self.of_all]
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    def folder_of(self, training: Training) -> Path:
        """Where its results, log and record lie."""
        return crossval_results.fold_folder(self.name, training.seed, training.fold)

    def record_of(self, training: Training) -> dict[str, Any] | None:
        """What is known of a training that is finished: `run` and `revision`; None if it has to run.

        It is of this state of the project and of these values, and its experiment is still there.
        """
        try:
            record = json.loads((self.folder_of(training) / RECORD).read_text(encoding="utf-8"))
            is_same = (record["tree"], record["values"]) == (self.snapshot.tree, _plain(training.values))
            known = is_same and git.commit(record["revision"]) is not None
        except (OSError, ValueError, LookupError, TypeError):
            return None
        return record if known else None

    def text(self) -> str:
        """How many trainings there are, how many of them are finished, and about how long the others take."""
        trainings = list(self.trainings())
        finished = sum(self.record_of(training) is not None for training in trainings)
        left = len(trainings) - finished
        photos = "all photos" if self.of_all else "the photos that are not test"
        lines = [
            f"{self.name}: {len(trainings)} trainings, {self.folds} folds of {photos}, "
            f"train.seed {', '.join(map(str, self.seeds))}",
            f"finished {finished}; DVC's cache has the others if they ran with these values before",
        ]
        if left:
            seconds, judged_by = run_plan.expected_seconds(self.params_of(trainings[0]), STAGES)
            lines.append(f"time about {run_plan.duration_text(left * seconds)} for {left} ({judged_by})")
        return "\n".join(lines)


def make_plan(recipe: str | None, overrides: list[str], folds: int, seeds: int, of_all: bool, name: str | None) -> Plan:
    """The plan of a cross-validation.

    Args:
        recipe: a file of configs/experiments, without its ending; None for params.yaml as it is.
        overrides: `section.key=value`, which win over the recipe.
        folds: number of folds.
        seeds: number of seeds, from train.seed on.
        of_all: divide the photos of test, too.
        name: None for one made of all parameters, so that the same command goes on with the same trainings.

    Raises:
        UserError: a value is refused, or git has no commit, or files that it does not track.
    """
    given = recipes.merge(recipes.load(recipe).params if recipe else {}, recipes.parse_overrides(overrides))
    values = nested.flatten(given)
    if "split.fold" in values:
        raise UserError("split.fold is what crossval sets for each training; leave it out")
    today = params.load().model_dump(mode="json")
    config = recipes.apply_values(today, nested.nest(_of_fold(values, 1)), "-S")
    if config.split.fold:
        raise UserError("split.fold in params.yaml is what crossval sets for each training; set it to null")
    if folds < 2:
        raise UserError(f"--folds {folds}: two are the fewest")
    differing = [{name: value} for name, value in values.items() if _differs(value)]
    if name is None:
        settings = json.dumps([config.result_values(), folds, seeds, of_all, *differing], sort_keys=True)
        name = f"cv-{hashlib.sha256(settings.encode()).hexdigest()[:7]}"
    all_seeds = tuple(range(config.train.seed, config.train.seed + seeds))
    state = snapshot.take(Path(paths.LOCAL))
    plan = Plan(params.parse_name(name, "--name"), config, values, folds, all_seeds, of_all, state)
    for training in list(plan.trainings())[: folds if differing else 1]:
        prerequisites.check_parameters(plan.params_of(training))
        prerequisites.check_copies(plan.params_of(training))
    return plan


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Values as JSON gives them back."""
    return json.loads(json.dumps(values))


def _of_fold(values: dict[str, Any], fold: int) -> dict[str, Any]:
    return {name: value.replace("%fold", str(fold)) if _differs(value) else value for name, value in values.items()}


def _differs(value: Any) -> bool:
    return isinstance(value, str) and "%fold" in value
