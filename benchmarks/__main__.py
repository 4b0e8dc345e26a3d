"""`python -m benchmarks`: speed of the project's parts, and coverage of intervals, beside plain ways of the same."""

import argparse
import os
import sys
from collections.abc import Callable

from apparel import errors, paths
from apparel.cli.arguments import positive_int
from apparel.errors import UserError

DESCRIPTION = (
    "Runs each part and a plain way of doing the same in turn, several rounds, and prints the rates and their\n"
    "ratio: median, lowest and highest. Rates depend on what else the machine does, the ratio much less.\n"
    "Writes to a temporary folder.\n"
    "\n"
    "tfrecord  writing TFRecords with all cores, beside a loop in one thread\n"
    "train     a training with params.yaml, beside one that gets the same batch at each step (the difference is the\n"
    "          cost of the input pipeline), one without determinism, and one that returns its memory to the system\n"
    "          after each use\n"
    "predict   `apparel predict` with each runtime that is there, beside the network alone\n"
    "sweep     the seconds of a trial beside its training steps, by part; takes minutes, and the trained models\n"
    "          stay in DVC's cache until `dvc gc`\n"
    "intervals how often the 95% intervals of eval and compare contain the truth, on simulated photos, beside\n"
    "          those of a bootstrap; takes minutes\n"
    "duplicates  how many copies of photos are found, by kind, and how often different garments are taken for copies\n"
    "serve     requests a second and latencies of `apparel serve` at 1, 8 and 64 clients, beside its network alone\n"
    "          and `mlflow models serve`, with the model of the last `dvc repro`\n"
    "export    a detector in TensorFlow, beside its exports in TensorFlow Lite, ONNX Runtime and OpenVINO"
)


def main() -> None:
    """Measures the parts that the command line names, and prints a table for each.

    Raises:
        UserError: there is no such part, or the data set has no photos.
    """
    arguments = _parse(sys.argv[1:])
    for part in arguments.parts:
        if part not in PARTS:
            raise UserError(f"there is no part '{part}'{errors.nearest(part, list(PARTS))}")
    os.environ["TQDM_DISABLE"] = "1"  # progress bars of the parts would hide the one that counts their runs
    for part in arguments.parts or PARTS:
        print(PARTS[part](arguments), flush=True)


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
        "--steps", type=positive_int, default=20, help="train, sweep: steps a round or trial (default 20)"
    )
    parser.add_argument("--rounds", type=positive_int, default=5, help="rounds, for sweep trials (default 5)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="intervals: 100 test sets in place of 300, of fewer sizes; serve: 2 s a load",
    )
    parser.add_argument("--seed", type=int, default=0, help="intervals: of the photos, 0 or more (default 0)")
    return parser.parse_args(arguments)


def _tfrecord(arguments: argparse.Namespace) -> str:
    from benchmarks import tfrecord

    return tfrecord.measure(paths.photos(arguments.name), arguments.photos, arguments.rounds)


def _predict(arguments: argparse.Namespace) -> str:
    from benchmarks import predict

    return predict.measure(paths.photos(arguments.name), arguments.photos, arguments.rounds)


def _train(arguments: argparse.Namespace) -> str:
    from benchmarks import train

    return train.measure(arguments.steps, arguments.rounds)


def _sweep(arguments: argparse.Namespace) -> str:
    from benchmarks import sweep

    return sweep.measure(arguments.steps, arguments.rounds)


def _intervals(arguments: argparse.Namespace) -> str:
    from benchmarks import intervals

    return intervals.measure(arguments.quick, arguments.seed)


def _duplicates(arguments: argparse.Namespace) -> str:
    from benchmarks import duplicates

    return duplicates.measure(paths.photos(arguments.name), arguments.photos)


def _serve(arguments: argparse.Namespace) -> str:
    from benchmarks import serve

    return serve.measure(paths.photos(arguments.name), arguments.photos, 2 if arguments.quick else 10)


def _export(arguments: argparse.Namespace) -> str:
    from benchmarks import export

    return export.measure(arguments.rounds)


PARTS: dict[str, Callable[[argparse.Namespace], str]] = {
    "tfrecord": _tfrecord,
    "train": _train,
    "predict": _predict,
    "sweep": _sweep,
    "intervals": _intervals,
    "duplicates": _duplicates,
    "serve": _serve,
    "export": _export,
}
"""What measures each part; its modules are imported only when it is asked for, since TensorFlow takes seconds."""


if __name__ == "__main__":
    errors.run(main)
