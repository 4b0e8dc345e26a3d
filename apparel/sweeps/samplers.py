"""Optuna's samplers, pruners and studies as `configs/sweep.yaml` asks for them."""

from typing import TYPE_CHECKING

from apparel.sweeps.config import Settings

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

RANDOM_TRIALS = 5
"""Before TPE has something to learn from; Optuna's ten would be most of a small sweep."""


def sampler(settings: Settings, trial: int) -> "BaseSampler":
    """The sampler for one trial: the same seed for each would draw the same values again after every start."""
    from optuna.samplers import RandomSampler, TPESampler

    seed = (settings.sampler.seed * 100_003 + trial) % 2**32  # NumPy's limit
    if settings.sampler.kind == "tpe":
        # Trials that still run count as bad ones, so that workers side by side look in different places.
        return TPESampler(seed=seed, n_startup_trials=RANDOM_TRIALS, constant_liar=True)
    return RandomSampler(seed=seed)  # a grid's trials have their values already


def pruner(settings: Settings, validate_every: int, epochs: int) -> "BasePruner":
    """The pruner; its steps are epochs, which mean the same at every batch size."""
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

    chosen = settings.pruner
    if not settings.prunes:
        return NopPruner()
    if chosen.kind == "hyperband":
        return HyperbandPruner(min_resource=validate_every, max_resource=max(epochs, validate_every))
    return MedianPruner(
        n_startup_trials=chosen.after_trials, n_warmup_steps=(chosen.after_validations + 1) * validate_every
    )
