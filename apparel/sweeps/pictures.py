"""Pictures of a study for a page without a network: Optuna's own, and the learning curves."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from optuna import visualization
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState
from plotly.graph_objects import Figure

from apparel.sweeps import trials

HEIGHT = 440
"""Pixels of a picture."""

QUIET = {
    TrialState.PRUNED: ("#D55E00", "dot"),
    TrialState.FAIL: ("#CC79A7", "dash"),
    TrialState.RUNNING: ("#0072B2", "dash"),
}
"""Colour and line of a trial that did not come to its end."""

FEWEST = 4
"""Complete trials, below which importances would be noise."""


class Picture(NamedTuple):
    """A heading, what is to be seen, and the HTML of the picture, which needs plotly.js on the page."""

    title: str
    caption: str
    html: str


def every(study: Study) -> list[Picture]:
    """The pictures that the study has enough trials for."""
    found = list(_learning(study))
    if any(trial.state == TrialState.COMPLETE for trial in study.get_trials(deepcopy=False)):
        found = [*_front(study), *_of_objectives(study), *found]
    return [Picture(title, caption, _html(figure)) for title, caption, figure in found]


def _front(study: Study) -> Iterator[tuple[str, str, Figure]]:
    if len(study.directions) > 1:
        figure = visualization.plot_pareto_front(study, target_names=trials.metrics(study))
        yield "Pareto front", "Red: no other trial is better in both.", figure


def _of_objectives(study: Study) -> Iterator[tuple[str, str, Figure]]:
    """What Optuna draws of one objective, for each."""
    named = trials.by_key(study)
    several = len(study.directions) > 1
    complete = [trial for trial in named.get_trials(deepcopy=False) if trial.state == TrialState.COMPLETE]
    for place, metric in enumerate(trials.metrics(study)):
        options = {"target_name": metric} | ({"target": _target(place)} if several else {})
        heading = f" of {metric}" if several else ""
        figure = visualization.plot_optimization_history(named, **options)
        yield f"History{heading}", "Each complete trial, and the best so far.", figure
        if len(complete) >= FEWEST and len({trial.values[place] for trial in complete}) > 1:
            caption = (
                f"How much each parameter tells good {metric} from the rest, by PED-ANOVA. Few trials tell little."
            )
            best = {"target": _target(place, upside_down=study.directions[place] == StudyDirection.MAXIMIZE)}
            with warnings.catch_warnings(action="ignore", category=UserWarning):  # how a target must be, as it is here
                figure = visualization.plot_param_importances(named, **(options | best if several else options))
            yield f"Importances{heading}", caption, figure
        figure = visualization.plot_slice(named, **options)
        yield f"Slices{heading}", "One parameter at a time; darker trials came later.", figure
        figure = visualization.plot_parallel_coordinate(named, **options)
        yield f"Parallel coordinates{heading}", "A line a trial; drag along an axis to pick some.", figure


def _target(place: int, upside_down: bool = False) -> Callable[[FrozenTrial], float]:
    """PED-ANOVA takes low values for good ones."""
    return lambda trial: -trial.values[place] if upside_down else trial.values[place]


def _learning(study: Study) -> Iterator[tuple[str, str, Figure]]:
    figure = Figure()
    winners = {trial.number for trial in trials.best(study)}
    for trial in study.get_trials(deepcopy=False):
        steps = sorted(trial.intermediate_values)
        colour, dash = QUIET.get(trial.state, ("#009E73" if trial.number in winners else "#9aa5b1", "solid"))
        figure.add_scatter(
            x=steps,
            y=[trial.intermediate_values[step] for step in steps],
            mode="lines+markers",
            name=f"{trial.number}, {'best' if trial.number in winners else trials.WORDS[trial.state]}",
            line={"color": colour, "dash": dash, "width": 4 if trial.number in winners else 1.5},
            visible=True if steps else "legendonly",
        )
    figure.update_layout(xaxis_title="epoch", yaxis_title=f"{trials.metrics(study)[0]} on val while training")
    if any(trace.x for trace in figure.data):
        yield "Learning curves", "Green: the best. Dotted: pruned. A click on a name hides its trial.", figure


def _html(figure: Any) -> str:
    figure.update_layout(title=None, height=HEIGHT, template="plotly_white", margin={"t": 30, "l": 60, "r": 30})
    return figure.to_html(full_html=False, include_plotlyjs=False, config={"displaylogo": False, "responsive": True})
