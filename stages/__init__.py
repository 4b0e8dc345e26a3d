"""The stages of dvc.yaml, and draw for the demo, one script each: `python -m stages.convert` runs one alone."""

import gc
import sys

from apparel.versioning import stage_inputs

if sys.argv[0] == "-m":  # Python is importing a stage in order to run it
    gc.disable()  # while hundreds of thousands of objects are made that stay; `stage` enables it again

stage_inputs.record_code()  # before Python imports the stage with all that it uses
