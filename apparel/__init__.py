"""From labelled photos of garments to a measured detector. `apparel --help` lists the commands."""

import importlib
from types import SimpleNamespace

from apparel.utils import tf_environment as tf_environment

FORMER_MODULES = {
    "detector": {
        "load": ("apparel.models.detector", "load_detector"),
        "detect": ("apparel.inference.predictor", "detect"),
    },
    "photos": {"decode": ("apparel.images", "decode")},
}
"""Functions of modules that were moved, by former module, with their module and name of today.

A model in MLflow holds a copy of `tracking/pyfunc_model.py` of its day, which imports these names when it is loaded.
"""


def __getattr__(name: str) -> SimpleNamespace:
    """A stand-in for the former module `name`, with the functions that stored models call."""
    if name not in FORMER_MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    functions = FORMER_MODULES[name].items()
    return SimpleNamespace(
        **{former: getattr(importlib.import_module(module), function) for former, (module, function) in functions}
    )
