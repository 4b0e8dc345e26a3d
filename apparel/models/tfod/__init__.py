"""The only place that imports the Object Detection API; each module says what it patches, why, and until when."""

import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec

# The API's DeepMAC, which is not used here, imports tensorflow_io, which has no build for Windows and elsewhere warns
# that its plug-ins do not load. An empty module replaces it, until `import object_detection` works without.
sys.modules.setdefault("tensorflow_io", module_from_spec(ModuleSpec("tensorflow_io", loader=None)))
