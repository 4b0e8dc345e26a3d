"""`python -m apparel benchmark`: how fast the parts are, beside a plain way of doing the same."""

import argparse
import os
from collections.abc import Callable

from apparel import paths
from apparel.errors import UserError, nearest

HELP = "measure how fast the parts are, beside a plain way of doing the same"


def _tfrecord(arguments: argparse.Namespace) -> str:
    from apparel import benchmarks

    return benchmarks.tfrecord(paths.photos(arguments.name), arguments.photos, arguments.rounds)


def _train(arguments: argparse.Namespace) -> str:
    from apparel import training_benchmark

    return training_benchmark.measure(arguments.steps, arguments.rounds)


def _sweep(arguments: argparse.Namespace) -> str:
    from apparel.sweeps import benchmark

    return benchmark.measure(arguments.steps, arguments.rounds)


PARTS: dict[str, Callable[[argparse.Namespace], str]] = {"tfrecord": _tfrecord, "train": _train, "sweep": _sweep}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.description = (
        "Runs each part and a plain way of doing the same in turn, several rounds, and prints the rates and their\n"
        "ratio: median, lowest and highest. Rates move with whatever else the machine does, the ratio much less.\n"
        "Writes to a temporary folder.\n"
        "\n"
        "tfrecord  writing TFRecords with all cores, beside a loop in one thread\n"
        "train     a training as params.yaml has it, beside one that is fed one batch again and again (what the\n"
        "          input pipeline costs), one that may come out differently each time, and one that hands its memory\n"
        "          back to the system after each use\n"
        "sweep     what a trial costs beside its training, by part; takes minutes, and what it trained\n"
        "          stays in DVC's cache until `dvc gc`"
    )
    parser.epilog = "example: python -m apparel benchmark tfrecord --name apparel --photos 500"
    parser.add_argument("parts", nargs="*", metavar="PART", help="one or more of the above (default all)")
    parser.add_argument("--name", default="demo", help="data set whose photos are used (default demo)")
    parser.add_argument("--photos", type=_whole, default=300, help="at most so many photos (default 300)")
    parser.add_argument("--steps", type=_whole, default=20, help="training steps in each round (default 20)")
    parser.add_argument("--rounds", type=_whole, default=5, help="times that each way is run (default 5)")


def main(arguments: argparse.Namespace) -> None:
    """Measures the parts asked for, and prints one table each.

    Raises:
        UserError: there is no such part, or the data set has no photos.
    """
    for part in arguments.parts:
        if part not in PARTS:
            raise UserError(f"there is no part '{part}'{nearest(part, list(PARTS))}")
    os.environ["TQDM_DISABLE"] = "1"  # bars of the parts would bury the one that counts their runs
    for part in arguments.parts or PARTS:
        print(PARTS[part](arguments), flush=True)


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, found {text!r}")
    return int(text)
