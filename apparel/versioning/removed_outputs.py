"""Outputs that DVC removed before a stage refused its input, and how to get them back."""

import os
from pathlib import Path

from apparel.errors import UserError
from apparel.versioning import dvc_lock


def way_back(stage: str) -> str:
    """A line for the end of the stage's refusal; empty where nothing is missing.

    DVC removes the outputs of a stage, then starts it. Its run cache has them, those that git keeps included.
    """
    if "DVC_STAGE" not in os.environ:
        return ""
    try:
        lock = dvc_lock.read_workspace()
    except UserError:
        return ""
    missing = [path for path in (lock.outs(stage) if stage in lock.stages else {}) if not Path(path).exists()]
    if not missing:
        return ""
    return (
        f"\nBefore that, DVC removed {' and '.join(missing)}, which is not lost: with the earlier values back in "
        "params.yaml, `dvc repro` takes it from DVC's cache"
    )
