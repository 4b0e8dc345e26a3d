"""A local copy of Vega, the library that draws DVC's plots, so that the page of plots opens without a network."""

from pathlib import Path

from apparel import paths
from apparel.utils import files

VEGA = paths.LOCAL / "vega.js"
"""The file that .dvc/plots.html loads."""

VEGA_LITE = "5.21"
"""Version of Vega-Lite: DVC writes its plots in version 5 of the language."""


def ensure() -> Path:
    """Writes Vega, Vega-Lite and Vega-Embed to `VEGA` if the file is missing, which takes seconds."""
    if not VEGA.exists():
        import vl_convert

        # In a block: the short names of the bundle must not become globals of the page.
        files.write_text(VEGA, "{" + vl_convert.javascript_bundle(vl_version=VEGA_LITE) + "}\n")
    return VEGA
