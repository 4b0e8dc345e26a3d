"""`python -m benchmarks`: speed of the project's parts, and coverage of intervals, beside plain ways of the same."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from apparel import errors, paths
from apparel.cli.arguments import positive_int
from apparel.errors import UserError
from benchmarks import side_by_side
from benchmarks.side_by_side import Row

DESCRIPTION = """\
Runs each part and another way of doing the same in turn, several rounds, and prints one table: both, and how many times
as fast ours is, median, lowest and highest. Rates depend on what else the machine does, the ratio much less.
Writes to a temporary folder.

train         the training loop beside the Object Detection API's own, all layers learn; takes minutes
train_params  the same with the values of params.yaml, as far as the API has them; takes minutes
train_costs   a training beside one that gets the same batch at each step (the difference is the cost of the input
              pipeline), one without determinism, and one that returns its memory to the system after each use
machines      a training of 1, 2 and 4 processes, with the cores of one machine, of a batch in 4 parts, and on paper
              the bytes a step and what links of 1 to 100 Gbit/s add to it; takes minutes
minutes       minutes until val mAP50 reached 0.5 and 0.6, of each training of this clone; trains nothing
evaluation    the test split as eval and validations score it, beside the network alone; metrics and pictures apart
commands      `dvc repro` with nothing to do, beside an empty project of five stages; `apparel --help`, beside Python
tfrecord      writing TFRecords with all cores, beside a loop in one thread
predict       `apparel predict` with each runtime that is there, beside the network alone
sweep         the seconds of a trial beside its training steps, by part; takes minutes, and the trained models
              stay in DVC's cache until `dvc gc`
serve         requests a second and latencies of `apparel serve` at 1, 8 and 64 clients, beside its network alone
              and `mlflow models serve`, with the model of the last `dvc repro`
export        a detector in TensorFlow, beside its exports in TensorFlow Lite, ONNX Runtime and OpenVINO
intervals     how often the 95% intervals of eval and compare contain the truth, on simulated photos, beside
              those of a bootstrap; takes minutes
scale         seconds, growth and memory of the stages that go through all photos, on drawn sets of several sizes, and
              of DVC itself; takes minutes, 100,000 photos hours
duplicates    how many copies of photos are found, by kind, and how often different garments are taken for copies"""


STEPS = 20
"""Of a round or trial, where the command line names none."""


def main() -> None:
    """Measures the parts that the command line names, and prints a table of speeds at the end.

    Raises:
        UserError: there is no such part, or the data set has no photos.
    """
    arguments = _parse(sys.argv[1:])
    for part in arguments.parts:
        if part not in PARTS:
            raise UserError(f"there is no part '{part}'{errors.nearest(part, list(PARTS))}")
    os.environ["TQDM_DISABLE"] = "1"  # progress bars of the parts would hide the one that counts their runs
    rows: list[Row] = []
    for part in arguments.parts or PARTS:
        measured = PARTS[part](arguments)
        if isinstance(measured, str):
            print(measured, flush=True)
        else:
            rows += measured
    if rows:
        table = side_by_side.table(rows)
        print(table)
        if arguments.output:
            arguments.output.write_text(f"{table}\n", encoding="utf-8")


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=DESCRIPTION,
        epilog="example: python -m benchmarks tfrecord --name apparel --photos 500",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="one or more of the above (default all)")
    parser.add_argument(
        "--name", default="demo", help="tfrecord, duplicates, serve: data set of the photos (default demo)"
    )
    parser.add_argument(
        "--photos",
        type=positive_int,
        default=300,
        help="tfrecord, duplicates, serve: at most so many photos (default 300)",
    )
    parser.add_argument(
        "--steps", type=positive_int, help="train, machines, sweep: steps a round or trial (default 20, machines 5)"
    )
    parser.add_argument("--rounds", type=positive_int, default=5, help="rounds, for sweep trials (default 5)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="intervals: 100 test sets in place of 300, of fewer sizes; serve: 2 s a load, not 10",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table to this file, too, in Markdown")
    parser.add_argument(
        "--sizes", type=positive_int, nargs="+", default=[1000, 10_000], help="scale: photos (default 1000 10000)"
    )
    parser.add_argument("--seed", type=int, default=0, help="intervals: of the photos, 0 or more (default 0)")
    return parser.parse_args(arguments)


def _tfrecord(arguments: argparse.Namespace) -> list[Row]:
    from benchmarks import tfrecord

    return tfrecord.measure(paths.photos(arguments.name), arguments.photos, arguments.rounds)


def _predict(arguments: argparse.Namespace) -> list[Row]:
    from benchmarks import predict

    return predict.measure(paths.photos(arguments.name), arguments.photos, arguments.rounds)


def _train(arguments: argparse.Namespace) -> list[Row]:
    from benchmarks import train

    return train.measure_all_layers(arguments.steps or STEPS, arguments.rounds)


def _train_params(arguments: argparse.Namespace) -> list[Row]:
    from benchmarks import train

    return train.measure_params(arguments.steps or STEPS, arguments.rounds)


def _train_costs(arguments: argparse.Namespace) -> list[Row]:
    from benchmarks import train

    return train.measure_costs(arguments.steps or STEPS, arguments.rounds)


def _machines(arguments: argparse.Namespace) -> list[Row]:
    from benchmarks import machines

    rows, on_paper = machines.measure(arguments.steps or machines.STEPS, arguments.rounds)
    print(f"{on_paper}\n", flush=True)
    return rows


def _minutes(arguments: argparse.Namespace) -> str:
    from benchmarks import minutes

    return minutes.measure()


def _evaluation(arguments: argparse.Namespace) -> list[Row]:
    from benchmarks import evaluation

    return evaluation.measure(arguments.rounds)


def _commands(arguments: argparse.Namespace) -> list[Row]:
    from benchmarks import commands

    return commands.measure(arguments.rounds)


def _sweep(arguments: argparse.Namespace) -> list[Row]:
    from benchmarks import sweep

    return sweep.measure(arguments.steps or STEPS, arguments.rounds)


def _intervals(arguments: argparse.Namespace) -> str:
    from benchmarks import intervals

    return intervals.measure(arguments.quick, arguments.seed)


def _duplicates(arguments: argparse.Namespace) -> str:
    from benchmarks import duplicates

    return duplicates.measure(paths.photos(arguments.name), arguments.photos)


def _serve(arguments: argparse.Namespace) -> list[Row]:
    from benchmarks import serve

    return serve.measure(paths.photos(arguments.name), arguments.photos, 2 if arguments.quick else 10, arguments.rounds)


def _export(arguments: argparse.Namespace) -> list[Row]:
    from benchmarks import export

    return export.measure(arguments.rounds)


def _scale(arguments: argparse.Namespace) -> str:
    from benchmarks import scale

    return scale.measure(arguments.sizes)


PARTS: dict[str, Callable[[argparse.Namespace], list[Row] | str]] = {
    "train": _train,
    "train_params": _train_params,
    "train_costs": _train_costs,
    "machines": _machines,
    "minutes": _minutes,
    "evaluation": _evaluation,
    "commands": _commands,
    "tfrecord": _tfrecord,
    "predict": _predict,
    "sweep": _sweep,
    "serve": _serve,
    "export": _export,
    "intervals": _intervals,
    "scale": _scale,
    "duplicates": _duplicates,
}
"""What measures each part, rows of the table or a text of its own; its modules are imported only when it is asked for,
since TensorFlow takes seconds."""


if __name__ == "__main__":
    errors.run(main)
