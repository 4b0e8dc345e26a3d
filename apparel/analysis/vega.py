"""Vega, the library that draws DVC's plots, as a file of this clone, so that their page opens without a network."""

from pathlib import Path

from apparel import paths
from apparel.utils import files

VEGA = paths.LOCAL / "vega.js"
"""Where .dvc/plots.html looks for it."""

VEGA_LITE = "5.21"
"""DVC writes its plots in version 5 of the Vega-Lite language."""


def ensure() -> Path:
    """Writes Vega, Vega-Lite and Vega-Embed to `VEGA` unless they are there; takes seconds, once."""
    if not VEGA.exists():
        import vl_convert

        # In a block of its own: the bundle's short names must not become the page's.
        files.write_text(VEGA, "{" + vl_convert.javascript_bundle(vl_version=VEGA_LITE) + "}\n")
    return VEGA
