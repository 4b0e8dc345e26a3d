"""Plots of a study for the report: Optuna's own, learning curves by state, and the Pareto front."""

from collections.abc import Iterator
from typing import NamedTuple

from optuna import visualization
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from plotly.graph_objects import Figure

from apparel.sweeps import study_table

HEIGHT = 440
"""Pixels of a plot."""

GREEN, GREY = "#009E73", "#9aa5b1"
"""Colours of the best and of other complete trials."""

BLUES = [[0, "#9ecae1"], [1, "#08306b"]]
"""Colour scale of trials by number: none is too pale for a white page."""

STYLES = {
    TrialState.PRUNED: ("#D55E00", "dot"),
    TrialState.FAIL: ("#CC79A7", "dash"),
    TrialState.RUNNING: ("#0072B2", "dash"),
}
"""Colour and line of trials that are not complete."""

MIN_TRIALS = 4
"""Complete trials, below which importances are noise."""


class Plot(NamedTuple):
    """A heading, a caption, and the HTML of the plot, which needs plotly.js on the page."""

    title: str
    caption: str
    html: str


def make_plots(study: Study) -> list[Plot]:
    """The plots that the study has enough trials for.

    Contours, ranks, parallel coordinates and the timeline are left to optuna-dashboard, where they can be filtered.
    """
    figures = list(_learning_curves(study))
    if _complete_trials(study):
        figures = [*_pareto_front(study), *_objective_plots(study), *figures]
    return [Plot(title, caption, _to_html(figure)) for title, caption, figure in figures]


def _pareto_front(study: Study) -> Iterator[tuple[str, str, Figure]]:
    """Ours, since Optuna's `plot_pareto_front` colours trials by number, the first ones almost white."""
    if len(study.directions) == 1:
        return
    best = study_table.best_trials(study)
    best_numbers = {trial.number for trial in best}
    others = [trial for trial in _complete_trials(study) if trial.number not in best_numbers]
    figure = Figure()
    for trials, name, mode, colour in ((others, "other trials", "", GREY), (best, "front", "lines+", GREEN)):
        figure.add_scatter(
            x=[trial.values[0] for trial in trials],
            y=[trial.values[1] for trial in trials],
            text=[str(trial.number) for trial in trials],
            hovertext=[
                "<br>".join(f"{key} {value}" for key, value in study_table.trial_values(trial).items())
                for trial in trials
            ],
            name=name,
            mode=f"{mode}markers+text",
            textposition="top center",
            marker={"color": colour, "size": 11},
            line={"dash": "dot"},
        )
    x_title, y_title = map(study_table.metric_label, study_table.objective_names(study))
    figure.update_layout(xaxis_title=x_title, yaxis_title=y_title)
    yield (
        "Pareto front",
        "Green: no other trial is better in both objectives. Each point has the number of its trial.",
        figure,
    )


def _objective_plots(study: Study) -> Iterator[tuple[str, str, Figure]]:
    """Optuna's plots, for each objective."""
    for index, metric in enumerate(study_table.objective_names(study)):
        single, name = study_table.single_objective_study(study, index), study_table.metric_label(metric)
        suffix = f" of {metric}" if len(study.directions) > 1 else ""
        figure = visualization.plot_optimization_history(single, target_name=name)
        yield f"History{suffix}", "All complete trials, and the best so far.", figure
        complete = _complete_trials(single)
        if len(complete) >= MIN_TRIALS and len({trial.value for trial in complete}) > 1:
            caption = f"Influence of each parameter on {metric}, by PED-ANOVA; unreliable with few trials."
            yield f"Importances{suffix}", caption, visualization.plot_param_importances(single, target_name=name)
        figure = visualization.plot_slice(single, target_name=name)
        # Optuna's scale begins with white, which the first trials would be.
        figure.update_traces(marker={"colorscale": BLUES, "line": {"width": 1, "color": "#333333"}})
        yield f"Slices{suffix}", "One parameter at a time; darker trials are later.", figure


def _complete_trials(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])


def _learning_curves(study: Study) -> Iterator[tuple[str, str, Figure]]:
    """Ours, since Optuna's `plot_intermediate_values` does not show which trials are best, pruned or failed."""
    figure = Figure()
    best_numbers = {trial.number for trial in study_table.best_trials(study)}
    for trial in study.get_trials(deepcopy=False):
        epochs, is_best = sorted(trial.intermediate_values), trial.number in best_numbers
        colour, dash = STYLES.get(trial.state, (GREEN if is_best else GREY, "solid"))
        figure.add_scatter(
            x=epochs,
            y=[trial.intermediate_values[epoch] for epoch in epochs],
            mode="lines+markers",
            name=f"{trial.number}, {'best' if is_best else study_table.STATE_NAMES[trial.state]}",
            line={"color": colour, "dash": dash, "width": 4 if is_best else 1.5},
            visible=True if epochs else "legendonly",
        )
    of_folds = study.user_attrs.get("settings", {}).get("objective") == "crossval"
    step, title, while_ = ("fold", "Folds", "") if of_folds else ("epoch", "Learning curves", " while training")
    figure.update_layout(xaxis_title=step, yaxis_title=f"{study_table.reported_metric(study)}{while_}")
    if any(trace.x for trace in figure.data):
        yield title, "Green: best. Dotted: pruned. Click on a name to hide its trial.", figure


def _to_html(figure: Figure) -> str:
    figure.update_layout(title=None, height=HEIGHT, template="plotly_white", margin={"t": 30, "l": 60, "r": 30})
    return figure.to_html(full_html=False, include_plotlyjs=False, config={"displaylogo": False, "responsive": True})
