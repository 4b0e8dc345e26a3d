"""Names of several models, ensembles and cross-validations, where a commit or an experiment is looked for."""

from contextlib import suppress

from apparel.analysis import crossval_results
from apparel.boxes import is_file_name
from apparel.errors import UserError, plain
from apparel.inference import ensemble_file
from apparel.versioning import git

ENSEMBLE, CROSSVAL = "an ensemble", "a cross-validation"


def kind(name: str) -> str | None:
    """ENSEMBLE or CROSSVAL; None for a name that is neither, or a commit's or experiment's, too."""
    if ensemble_file.find_path(name):
        found = ENSEMBLE
    elif is_file_name(name) and crossval_results.folder(name).is_dir():
        found = CROSSVAL
    else:
        return None
    if not git.refusal():
        with suppress(LookupError):
            git.resolve(name)
            return None
    return found


def refuse(name: str, command: str, for_ensembles: str) -> None:
    """Refuses the name of several models.

    Args:
        name: as the user gave it.
        command: what takes one model, such as `apparel promote`.
        for_ensembles: what to do with an ensemble instead; `NAME` in it stands for the ensemble's.

    Raises:
        UserError: it is an ensemble or a cross-validation.
    """
    found = kind(name)
    if found == ENSEMBLE:
        remedy = for_ensembles.replace("NAME", ensemble_file.find_path(name).stem)
    elif found == CROSSVAL:
        remedy = f"`apparel compare {name} OTHER` compares it, its trainings are experiments, such as {name}-s0-f1"
    else:
        return
    raise UserError(f"'{plain(name)}' is {found}; `{command}` takes single models: {remedy}")


def refuse_unmeasured(name: str) -> None:
    """Refuses an ensemble that was not evaluated, and a cross-validation that is not finished.

    Args:
        name: of which there are no results.

    Raises:
        UserError: it is one of them.
    """
    found = kind(name)
    if found == ENSEMBLE:
        raise UserError(f"'{plain(name)}' is an ensemble without results here: `apparel ensemble eval` measures it")
    if found == CROSSVAL:
        raise UserError(f"'{name}' is a cross-validation that is not finished; {crossval_results.REMEDY}")
