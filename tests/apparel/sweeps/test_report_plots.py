"""The plots of a study."""

from apparel.sweeps import report_plots
from tests.support import studies

TITLES = ["History", "Importances", "Slices", "Learning curves"]


def test_the_plots_are_those_that_the_study_has_trials_for():
    assert [plot.title for plot in report_plots.make_plots(studies.make())] == TITLES
    titles = [plot.title for plot in report_plots.make_plots(studies.two_objectives())]
    assert titles[0] == "Pareto front"
    assert "Slices of latency" in titles


def test_the_front_has_the_trials_that_no_other_beats_in_both_objectives():
    ((_, _, figure),) = report_plots._pareto_front(studies.two_objectives())
    others, front = figure.data
    assert list(zip(front.text, front.x, front.y, strict=True)) == [("3", 0.70, 80.0), ("5", 0.65, 30.0)]
    assert others.text == ("0", "1", "2", "4")
    assert figure.layout.yaxis.title.text == "latency, ms a photo"


def test_plots_of_an_objective_have_its_direction():
    plots = report_plots._objective_plots(studies.two_objectives())
    histories = [figure for title, _, figure in plots if title.startswith("History")]
    best = [dict(zip(line.x, line.y, strict=True)) for line in (figure.data[1] for figure in histories)]
    assert [line[5] for line in best] == [0.70, 30.0]  # the highest val/mAP50 so far, the lowest latency
