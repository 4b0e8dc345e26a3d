"""The only place that imports the Object Detection API; each module mends one thing and says when the mend may go."""

import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec

# The API's DeepMAC, which nothing here builds, imports tensorflow_io: not made for Windows, and elsewhere it warns of
# plug-ins that do not load. An empty module in its place; goes when `import object_detection` needs none.
sys.modules.setdefault("tensorflow_io", module_from_spec(ModuleSpec("tensorflow_io", loader=None)))
