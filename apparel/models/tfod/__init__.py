"""The only place that imports the Object Detection API; each module says what it patches, why, and until when.

Here modules are replaced that the API imports whatever detector it builds:

- tensorflow_io, which its DeepMAC needs, has no build for Windows and elsewhere warns that its plug-ins do not load. An
  empty module replaces it, until `import object_detection` works without.
- `DEFERRED` take seconds, since they import Matplotlib, SciPy and official's optimisers, and no SSD needs them. They
  are imported when something of them is used, until the API does so itself.
"""

import importlib
import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from types import ModuleType
from typing import Any

DEFERRED = (
    "object_detection.core.densepose_ops",  # SciPy
    "object_detection.matchers.hungarian_matcher",  # SciPy
    "object_detection.utils.visualization_utils",  # Matplotlib
    "official.modeling.optimization",
    "official.modeling.optimization.ema_optimizer",
)
"""Modules that are imported at the first use of something in them; a package stands before its modules."""


class _Deferred(ModuleType):
    """Stands in `sys.modules` for a module that is imported once one of its names is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python's import system asks for `__path__`, among others
            raise AttributeError(name)
        if isinstance(module := sys.modules.get(f"{self.__name__}.{name}"), _Deferred):
            return module
        for deferred in [name for name in DEFERRED if isinstance(sys.modules.get(name), _Deferred)]:
            first, second = sorted((f"{deferred}.", f"{self.__name__}."))
            if second.startswith(first):  # itself, the package that it is in, or a module in it
                del sys.modules[deferred]
        return getattr(importlib.import_module(self.__name__), name)


sys.modules.setdefault("tensorflow_io", module_from_spec(ModuleSpec("tensorflow_io", loader=None)))
for _name in DEFERRED:
    sys.modules.setdefault(_name, _Deferred(_name))
