"""The stages of dvc.yaml, and draw for the demo, one script each: `python -m stages.convert` runs one alone."""

from apparel.versioning import stage_inputs

stage_inputs.record_code()  # before Python imports the stage with all that it uses
