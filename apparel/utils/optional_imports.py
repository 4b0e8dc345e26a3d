"""Optional packages of TensorFlow that stay out of a process: importing them would take seconds, and nothing uses them.

TensorFlow, Keras and tf_slim import these if they are installed, and do without if not. They are installed here, for
other uses: an `import` from elsewhere finds them. Each goes from the table once its package imports it when it is used.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import FrameType, ModuleType

OPTIONAL = {
    "tensorflow": ("googleapiclient", "scipy"),  # clusters in Google's cloud, sparse matrices for Keras
    "tf_keras": ("pandas", "pydot", "scipy"),  # data frames for `fit`, plots of models, rotated photos
    "tf_slim": ("sklearn",),  # a loss for clusters
}
"""Packages that are not found by those who import them, by importer."""

_NAMES = {name for names in OPTIONAL.values() for name in names}


class _OptionalPackages(MetaPathFinder):
    """Tells the importers of `OPTIONAL` that a package is not installed; leaves all else to the other finders."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:
        package = name.partition(".")[0]
        if package in _NAMES and package in OPTIONAL.get(_importer(sys._getframe(1)), ()):
            raise ModuleNotFoundError(f"{name} is left out, see apparel/utils/optional_imports.py", name=name)


def _importer(frame: FrameType | None) -> str:
    """The package whose code imports, given the frame of Python's import system."""
    while frame is not None:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package not in ("importlib", "_frozen_importlib", "_frozen_importlib_external"):
            return package
        frame = frame.f_back
    return ""


def leave_out() -> None:
    """From now on TensorFlow's packages do without those of `OPTIONAL` that are not imported yet."""
    if not any(isinstance(finder, _OptionalPackages) for finder in sys.meta_path):
        sys.meta_path.insert(0, _OptionalPackages())
