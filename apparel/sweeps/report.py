"""Report of a sweep: the table for the terminal and the HTML page with plots."""

from functools import partial
from pathlib import Path
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial

from apparel import params, paths
from apparel.evaluation import html
from apparel.sweeps import report_plots, study_table
from apparel.sweeps.config import LATENCY
from apparel.tracking import runs
from apparel.utils import files

TEMPLATE = Path(__file__).with_name("report.html")


def place(study: Study) -> Path:
    """Where the page goes."""
    return paths.LOCAL / "sweeps" / study.study_name / "report.html"


def show(study: Study) -> None:
    """Prints the table, writes the page, and sends it to the study's run in MLflow."""
    print(terminal_text(study))
    page, table = write(study)
    print(f"\nwith pictures: open {page.as_posix()}", flush=True)
    if "parent_run" in study.user_attrs:
        runs.add_files(study.user_attrs["parent_run"], params.load(), [page, table])


def terminal_text(study: Study) -> str:
    """The table of trials, and the best parameters beside those it began with."""
    shown = study_table.table(study).map(format_value).drop(columns=["run", "cached"])
    lines = [f"sweep {study.study_name}: {study_table.counts(study)}", shown.to_string() if len(shown) else ""]
    if len(best := study_table.best(study)) > 1:
        lines.append("\nno other trial is better in both than any of these:")
    for trial in best:
        lines.append(f"\nbest: {title(study, trial)}")
        width = max(map(len, study_table.keys(study)))
        start, chosen = study.user_attrs["start"], study_table.values(trial)
        lines += [
            f"  {key:<{width}}  {format_value(start.get(key))} -> {format_value(chosen.get(key))}"
            for key in study_table.keys(study)
        ]
    return "\n".join(lines)


def title(study: Study, trial: FrozenTrial) -> str:
    """Such as `trial 7, val/mAP50 0.412; the first, as params.yaml was, had 0.377`."""
    pairs = zip(study_table.metrics(study), _worth(study, trial), strict=True)
    text = f"trial {trial.number}, " + ", ".join(map(" ".join, pairs))
    first = study.get_trials(deepcopy=False)[0]
    if first.values and first.number != trial.number:
        text += f"; the first, as params.yaml was, had {' and '.join(_worth(study, first))}"
    return text


def _worth(study: Study, trial: FrozenTrial) -> list[str]:
    """The objectives of a complete trial."""
    units = [" ms" if metric == LATENCY else "" for metric in study_table.metrics(study)]
    return [f"{format_value(value)}{unit}" for value, unit in zip(trial.values, units, strict=True)]


def render_page(study: Study) -> str:
    """The page as HTML; plotly.js, which draws its plots, is part of it: 5 MB."""
    from plotly.offline import get_plotlyjs

    trials = study.get_trials(deepcopy=False)
    return html.render(
        TEMPLATE,
        study=study,
        settings=study.user_attrs["settings"],
        counts=study_table.counts(study),
        table=study_table.table(study),
        best=study_table.best(study),
        keys=study_table.keys(study),
        values=study_table.values,
        title=partial(title, study),
        failures=[trial for trial in trials if "failure" in trial.user_attrs],
        format_value=format_value,
        plots=report_plots.every(study),
        plotly=get_plotlyjs(),
    )


def write(study: Study) -> list[Path]:
    """Writes the page and, beside it, the table as CSV."""
    page = place(study)
    files.write_text(page, render_page(study))
    table = page.with_name("trials.csv")
    files.write_text(table, study_table.table(study).to_csv(lineterminator="\n"))
    return [page, table]


def format_value(value: Any) -> str:
    """A value as tables show it: floats with 4 digits, `-` for None and nan."""
    if value is None or value != value:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
