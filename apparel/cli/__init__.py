"""The commands of `apparel`: the table that lists them, and a thin module for each."""

import argparse
import importlib
from types import ModuleType

COMMANDS = {
    "cloud": (
        "cloud",
        "run the pipeline, a sweep or a prediction on other machines, and bring the results home",
    ),
    "compare": (
        "compare",
        "compare results: which class got better, whether that is more than chance, and what was changed",
    ),
    "completion": ("completion", "print a script that completes commands and options in bash or zsh"),
    "crossval": (
        "crossval",
        "cross-validate parameters: folds by photo and seeds, pooled, with intervals over all photos",
    ),
    "dashboard": ("dashboard", "open optuna-dashboard on sweeps, also while they run"),
    "ensemble": ("ensemble", "measure several models fused into one, or choose their weights"),
    "experiments": ("experiments", "list the results of all commits and experiments, and how their parameters differ"),
    "export": ("export", "write a trained model as a SavedModel, for TensorFlow Lite, or as ONNX"),
    "import": (
        "import_data",
        "import photos with annotations, or starting weights, from a folder, an archive, a bucket or a git repository",
    ),
    "inspect": ("inspect_data", "look at a data set before training: classes, boxes, anchors, duplicates, what is odd"),
    "plots": ("plots", "draw the curves of the last results on one page that opens without a network"),
    "predict": ("predict", "detect garments on your photos: a table, pictures, and a page to look through"),
    "promote": (
        "promote",
        "make a model champion in MLflow's model registry if it is better than the present one beyond chance",
    ),
    "results": ("results", "print the per-class table of the last results, and where to look next"),
    "run": ("run", "run the pipeline as params.yaml says, or with the values of a recipe as a DVC experiment"),
    "serve": ("serve", "answer photos with detections over HTTP, and show a page that does it in a browser"),
    "sweep": (
        "sweep",
        "search for better parameters: each trial a DVC experiment, a run in MLflow and a trial in Optuna",
    ),
    "sync": ("sync", "send MLflow the runs that it did not get while its server was away"),
    "trace": (
        "trace",
        "follow a result back to the photos, parameters, code and machine that made it, and check each link",
    ),
    "ui": ("ui", "open MLflow on this project's runs"),
    "verify": (
        "verify",
        "run everything again in a separate copy, and say which output differs from what is here, if any",
    ),
}
"""Module and help by command, so that listing them imports none.

`import` is a keyword and `inspect` a module of Python, so those modules' names end in `_data`.
"""

ANYWHERE = ("cloud", "crossval", "dashboard", "plots", "results", "run", "sync", "ui", "verify")
"""Commands that work from any folder of the project: those that take no paths."""


def configure(parser: argparse.ArgumentParser, name: str) -> ModuleType:
    """Add a command's description and arguments to its parser; return the command's module."""
    module_name, parser.description = COMMANDS[name]
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    module = importlib.import_module(f"apparel.cli.{module_name}")
    module.add_arguments(parser)
    return module
