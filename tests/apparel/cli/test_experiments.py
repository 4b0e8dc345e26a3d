from argparse import Namespace

import pytest

from apparel.analysis import experiments
from apparel.analysis.experiments import Result
from apparel.cli import experiments as command
from apparel.errors import UserError
from tests.support.repository import ROOT


@pytest.fixture
def results(monkeypatch):
    monkeypatch.chdir(ROOT)
    here = experiments.parameters_here()
    nan = float("nan")
    found = [
        Result("undefined", "2026-01-03", nan, nan, nan, here),
        Result("weak", "2026-01-02", 0.1, 0.2, 0.3, here | {"train.epochs": "1"}),
        Result("strong", "2026-01-01", 0.7, 0.8, 0.9, here),
    ]
    monkeypatch.setattr(experiments, "find_results", lambda: found)


def names(capsys):
    return [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]


def test_newest_or_best_first(results, capsys):
    command.main(Namespace(best=False, n=None))
    assert names(capsys) == ["undefined", "weak", "strong"]
    command.main(Namespace(best=True, n=2))
    assert names(capsys) == ["strong", "weak"]


def test_no_result_is_an_error_with_the_remedy(monkeypatch):
    monkeypatch.setattr(experiments, "find_results", list)
    with pytest.raises(UserError, match="apparel run"):
        command.main(Namespace(best=False, n=None))


def test_results_of_folds_are_not_listed_but_named(results, monkeypatch, capsys):
    of_fold = [Result(f"cv-s0-f{fold}", "2026-01-02", 0.1, 0.9, 1.0, {}, "val") for fold in (1, 2)]
    listed = experiments.find_results()
    monkeypatch.setattr(experiments, "find_results", lambda: [*of_fold, *listed])
    command.main(Namespace(best=True, n=1))
    printed = capsys.readouterr()
    assert [line.split()[0] for line in printed.out.splitlines()[1:]] == ["strong"]
    assert printed.err.startswith("2 results of split.fold, judged on val") and "apparel compare A B" in printed.err
    monkeypatch.setattr(experiments, "find_results", lambda: of_fold)
    with pytest.raises(UserError, match=r"on test yet; `apparel run` .* 2 results of split\.fold.*apparel crossval"):
        command.main(Namespace(best=False, n=None))
