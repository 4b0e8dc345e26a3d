"""The Object Detection API's own code, without what `apparel/models/tfod` puts in its place."""

import importlib.util
from types import ModuleType


def module(name: str) -> ModuleType:
    """A second copy of a module, fresh from its file."""
    spec = importlib.util.find_spec(name)
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    return copy
