"""Pictures of a study for a page without a network: Optuna's own, and the learning curves."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from optuna import visualization
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from plotly.graph_objects import Figure

from apparel.sweeps import study_table

HEIGHT = 440
"""Pixels of a picture."""

GREEN, GREY = "#009E73", "#9aa5b1"

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
    if _complete(study):
        found = [*_front(study), *_of_objectives(study), *found]
    return [Picture(title, caption, _html(figure)) for title, caption, figure in found]


def _front(study: Study) -> Iterator[tuple[str, str, Figure]]:
    """Optuna's own fades with the trials' numbers, the front's first ones to white."""
    if len(study.directions) == 1:
        return
    best = study_table.best(study)
    winners = {trial.number for trial in best}
    others = [trial for trial in _complete(study) if trial.number not in winners]
    figure = Figure()
    for found, name, mode, colour in ((others, "other trials", "", GREY), (best, "front", "lines+", GREEN)):
        figure.add_scatter(
            x=[trial.values[0] for trial in found],
            y=[trial.values[1] for trial in found],
            text=[str(trial.number) for trial in found],
            hovertext=[
                "<br>".join(f"{key} {value}" for key, value in study_table.values(trial).items()) for trial in found
            ],
            name=name,
            mode=f"{mode}markers+text",
            textposition="top center",
            marker={"color": colour, "size": 11},
            line={"dash": "dot"},
        )
    across, up = map(study_table.label, study_table.metrics(study))
    figure.update_layout(xaxis_title=across, yaxis_title=up)
    yield "Pareto front", "Green: no other trial is better in both. Each point has its trial's number.", figure


def _of_objectives(study: Study) -> Iterator[tuple[str, str, Figure]]:
    """What Optuna draws of one objective, for each."""
    for place, metric in enumerate(study_table.metrics(study)):
        one, name = study_table.of_objective(study, place), study_table.label(metric)
        heading = f" of {metric}" if len(study.directions) > 1 else ""
        figure = visualization.plot_optimization_history(one, target_name=name)
        yield f"History{heading}", "Each complete trial, and the best so far.", figure
        if len(_complete(one)) >= FEWEST and len({trial.value for trial in _complete(one)}) > 1:
            caption = (
                f"How much each parameter tells good {metric} from the rest, by PED-ANOVA. Few trials tell little."
            )
            yield f"Importances{heading}", caption, visualization.plot_param_importances(one, target_name=name)
        figure = visualization.plot_slice(one, target_name=name)
        yield f"Slices{heading}", "One parameter at a time; darker trials came later.", figure
        figure = visualization.plot_parallel_coordinate(one, target_name=name)
        yield f"Parallel coordinates{heading}", "A line a trial, the darker the better.", figure


def _complete(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])


def _learning(study: Study) -> Iterator[tuple[str, str, Figure]]:
    figure = Figure()
    winners = {trial.number for trial in study_table.best(study)}
    for trial in study.get_trials(deepcopy=False):
        steps = sorted(trial.intermediate_values)
        colour, dash = QUIET.get(trial.state, (GREEN if trial.number in winners else GREY, "solid"))
        figure.add_scatter(
            x=steps,
            y=[trial.intermediate_values[step] for step in steps],
            mode="lines+markers",
            name=f"{trial.number}, {'best' if trial.number in winners else study_table.WORDS[trial.state]}",
            line={"color": colour, "dash": dash, "width": 4 if trial.number in winners else 1.5},
            visible=True if steps else "legendonly",
        )
    figure.update_layout(xaxis_title="epoch", yaxis_title=f"{study_table.reported(study)} while training")
    if any(trace.x for trace in figure.data):
        yield "Learning curves", "Green: the best. Dotted: pruned. A click on a name hides its trial.", figure


def _html(figure: Any) -> str:
    figure.update_layout(title=None, height=HEIGHT, template="plotly_white", margin={"t": 30, "l": 60, "r": 30})
    return figure.to_html(full_html=False, include_plotlyjs=False, config={"displaylogo": False, "responsive": True})
