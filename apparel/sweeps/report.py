"""Report of a sweep: a table for the terminal, and an HTML page that needs neither a network nor the study.

optuna-dashboard shows a study live, but only to those who reach its storage. The page lies with the sweep's run in
MLflow; it compares the best trial with params.yaml, and has failed trials' logs and the names of DVC experiments.
"""

from functools import partial
from pathlib import Path
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial

from apparel import params
from apparel.evaluation import html
from apparel.sweeps import report_plots, study_table
from apparel.sweeps.config import LATENCY
from apparel.sweeps.workspace import study_folder
from apparel.tracking import runs
from apparel.utils import files

TEMPLATE = Path(__file__).with_name("report.html")


def report_path(study: Study) -> Path:
    """Path of the page."""
    return study_folder(study.study_name) / "report.html"


def show(study: Study) -> None:
    """Prints the table, writes the page, and sends it to the study's run in MLflow."""
    print(terminal_text(study))
    page, table = write_report(study)
    print(f"\nwith plots: open {page.as_posix()}", flush=True)
    if "parent_run" in study.user_attrs:
        runs.add_files(study.user_attrs["parent_run"], params.load(), [page, table])


def terminal_text(study: Study) -> str:
    """The table of trials, and the best parameters beside those of params.yaml."""
    table = study_table.trials_table(study).map(format_value).drop(columns=["run", "cached"])
    lines = [f"sweep {study.study_name}: {study_table.count_states(study)}", table.to_string() if len(table) else ""]
    if len(winners := study_table.best_trials(study)) > 1:
        lines.append("\nno other trial is better in both objectives than any of these:")
    for trial in winners:
        lines.append(f"\nbest: {trial_title(study, trial)}")
        width = max(map(len, study_table.searched_keys(study)))
        initial, best = study.user_attrs["start"], study_table.trial_values(trial)
        lines += [
            f"  {key:<{width}}  {format_value(initial.get(key))} -> {format_value(best.get(key))}"
            for key in study_table.searched_keys(study)
        ]
    return "\n".join(lines)


def trial_title(study: Study, trial: FrozenTrial) -> str:
    """Such as `trial 7, val/mAP50 0.412; the first, as params.yaml was, had 0.377`."""
    pairs = zip(study_table.objective_names(study), _objectives(study, trial), strict=True)
    text = f"trial {trial.number}, " + ", ".join(map(" ".join, pairs))
    first = study.get_trials(deepcopy=False)[0]
    if first.values and first.number != trial.number:
        text += f"; the first, as params.yaml was, had {' and '.join(_objectives(study, first))}"
    return text


def _objectives(study: Study, trial: FrozenTrial) -> list[str]:
    """The objectives' values of a complete trial, with units."""
    units = [" ms" if metric == LATENCY else "" for metric in study_table.objective_names(study)]
    return [f"{format_value(value)}{unit}" for value, unit in zip(trial.values, units, strict=True)]


def render_page(study: Study) -> str:
    """The page, with plotly.js in it: five megabytes."""
    from plotly.offline import get_plotlyjs

    return html.render(
        TEMPLATE,
        study=study,
        settings=study.user_attrs["settings"],
        counts=study_table.count_states(study),
        table=study_table.trials_table(study),
        best=study_table.best_trials(study),
        keys=study_table.searched_keys(study),
        values=study_table.trial_values,
        title=partial(trial_title, study),
        failures=[trial for trial in study.get_trials(deepcopy=False) if "failure" in trial.user_attrs],
        format_value=format_value,
        plots=report_plots.make_plots(study),
        plotly=get_plotlyjs(),
    )


def write_report(study: Study) -> list[Path]:
    """Writes the page and, next to it, the table as CSV; returns both paths."""
    page = report_path(study)
    files.write_text(page, render_page(study))
    table = page.with_name("trials.csv")
    files.write_text(table, study_table.trials_table(study).to_csv(lineterminator="\n"))
    return [page, table]


def format_value(value: Any) -> str:
    """A value as a table shows it: four digits, `-` for None and NaN."""
    if value is None or value != value:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
