"""Optuna's samplers and pruners as `configs/sweep.yaml` asks for them."""

import warnings
from typing import TYPE_CHECKING

from apparel.sweeps.config import SweepConfig

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

RANDOM_TRIALS = 5
"""Random trials before TPE learns from them; Optuna's default of ten would be most of a small sweep."""


def make_sampler(config: SweepConfig, trial: int) -> "BaseSampler":
    """The sampler for the trial of this number.

    Its seed varies with the trial: the same seed would draw the same values again after each start of a worker.
    """
    from optuna.samplers import RandomSampler, TPESampler

    seed = (config.sampler.seed * 100_003 + trial) % 2**32  # NumPy's limit
    if config.sampler.kind == "tpe":
        # Running trials count as bad ones, so that workers at the same time search different regions.
        return TPESampler(seed=seed, n_startup_trials=RANDOM_TRIALS, constant_liar=True)
    return RandomSampler(seed=seed)  # the trials of a grid are queued with their values


def make_pruner(config: SweepConfig, validate_every: int, epochs: int) -> "BasePruner":
    """The pruner; its steps are epochs, which mean the same at every batch size, or the folds of a cross-validation."""
    from optuna.exceptions import ExperimentalWarning
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner, WilcoxonPruner

    pruner = config.pruner
    if not config.can_prune:
        return NopPruner()
    if pruner.kind == "wilcoxon":
        with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):  # its interface is all we use
            return WilcoxonPruner(p_threshold=pruner.p)
    if pruner.kind == "hyperband":
        return HyperbandPruner(min_resource=validate_every, max_resource=max(epochs, validate_every))
    return MedianPruner(
        n_startup_trials=pruner.after_trials, n_warmup_steps=(pruner.after_validations + 1) * validate_every
    )
