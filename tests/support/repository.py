"""Where the repository is, and the real data that may lie beside it."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The repository's root folder."""

SHARED = ROOT.parent / "shared"
"""Real photos, labels and weights, which are not part of the repository: see the mark `shared`."""

APPAREL = SHARED / "apparel"
LABELS = APPAREL / "labels"
PRETRAINED = SHARED / "pretrained"
COCO = PRETRAINED / "ssd_mobilenet_v1_0.75_coco"
KERAS = PRETRAINED / "mobilenet_1_0_224_tf_no_top.h5"
