"""Checks params.yaml, and that what it names is there and fits it: `python -m stages.check`.

DVC removes the outputs of a stage before the stage can refuse anything. So this one runs before all others: a mistyped
value ends here, with the last model, its results and its figures in place.
"""

from apparel import errors, params, paths
from apparel.models import prerequisites
from apparel.utils import files
from apparel.versioning.stage import stage


@stage("check")
def main() -> None:
    """params.yaml, and the names of data, weights and pipeline file -> a file of always the same content."""
    prerequisites.check_parameters(params.load())
    files.write_text(paths.CHECKED, "The parameters were checked.\n")


if __name__ == "__main__":
    errors.script(main, __doc__)
