"""`apparel ensemble`: evaluates an ensemble of models, or chooses its weights."""

import argparse

EXAMPLES = """examples:
  apparel ensemble eval two                   metrics, tables and page of configs/ensembles/two.yaml on test
  apparel ensemble eval two --split val       test is not looked at
  apparel ensemble fit two                    weights and thresholds, chosen on val
  apparel ensemble fit two --crossval six lite    weights chosen on the out-of-fold detections of two
                                              cross-validations, one a member, in their order; thresholds on val
  apparel compare workspace two               paired by photo, after eval
  apparel predict ../autumn --model two       as `apparel serve` takes it

More: docs/ensembles.md."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what to do with which ensemble."""
    parser.epilog = EXAMPLES
    parser.add_argument("action", choices=["eval", "fit"], help="measure it, or choose weights and thresholds")
    parser.add_argument("name", metavar="NAME", help="a file of configs/ensembles without its ending, or its path")
    parser.add_argument("--split", choices=["val", "test"], help="for eval: the split that is judged (default: test)")
    parser.add_argument("--crossval", metavar="CV", nargs="+", help="for fit: finished cross-validations, one a member")


def main(arguments: argparse.Namespace) -> None:
    """Loads the ensemble, and measures it or chooses its weights.

    Raises:
        UserError: there is no such ensemble, its members do not go together, or the arguments do not.
    """
    from apparel import params, paths
    from apparel.analysis import ensembles
    from apparel.data.index import read_index
    from apparel.errors import UserError

    if arguments.action == "eval" and arguments.crossval:
        raise UserError("--crossval is for `apparel ensemble fit`")
    if arguments.action == "fit" and arguments.split:
        raise UserError("--split is for `apparel ensemble eval`; weights are never chosen on test")
    path = ensembles.find(arguments.name)
    config, index = params.load(), read_index(paths.TFRECORD)
    from apparel.models.tfod import determinism

    determinism.enable(config.train.seed)  # as in eval, or scores would differ in their last bits
    loaded = ensembles.load(path)
    judged = arguments.split or config.split.judged
    notes = ensembles.check_not_seen(loaded, "val" if arguments.action == "fit" else judged)
    if arguments.action == "fit":
        from apparel.analysis import ensemble_fit_run

        print(*notes, sep="\n", end="\n" * bool(notes))
        ensemble_fit_run.run(loaded, index, config, arguments.crossval)
        return
    from apparel.analysis import ensemble_eval

    print(*[*loaded.notes, *notes], sep="\n", end="\n" * bool(loaded.notes or notes))
    detected = ensemble_eval.detect(loaded, index, list(dict.fromkeys(["val", judged])))
    evaluation = ensemble_eval.measure(loaded, detected, judged)
    page = ensemble_eval.write(loaded, evaluation, index, config)
    print(ensemble_eval.terminal_text(evaluation))
    print(f"pictures and curves: open {page.as_posix()}\ncompare: apparel compare workspace {path.stem}")
