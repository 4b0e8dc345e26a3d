"""TensorFlow's environment: variables that it and the Object Detection API need, and filters for their noise.

Imported with the package, because all of it only counts before TensorFlow is imported. Variables that are set
already are kept: `TF_CPP_MIN_LOG_LEVEL=0 dvc repro` shows everything again.
"""

import logging
import os
import warnings

from apparel.utils import optional_imports

# The Object Detection API is written for Keras 2; TensorFlow 2.16 and later bring Keras 3 unless told otherwise.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

# 3 hides errors, too: a machine without a GPU logs several of those while TensorFlow looks for one. Errors that
# matter come as Python exceptions as well.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
logging.getLogger("tensorflow").setLevel(logging.ERROR)

# tensorflow_io comes with the Object Detection API; its file system plug-ins do not load, and nothing here uses them.
warnings.filterwarnings("ignore", module="tensorflow_io")

# The Object Detection API's batch normalisation follows the Keras learning phase and nothing else.
warnings.filterwarnings("ignore", message=".*set_learning_phase.*")

# Half of the seconds of an import of TensorFlow go into packages that it can do without.
optional_imports.leave_out()
