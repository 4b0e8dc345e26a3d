"""Git tags by which `dvc artifacts get` finds the versions of a model and the stage `champion`.

DVC reads the annotated tags of GTO (https://dvc.org/doc/gto): `garments@v3.0.0` is a version, `garments#champion#2` the
second assignment of the stage. Ours, since `gto register` chooses numbers itself, and these are to be MLflow's.
"""

import re

from apparel.errors import UserError
from apparel.utils import yaml
from apparel.versioning import git


def write(name: str, stage: str, number: int, revision: str, message: str) -> list[str]:
    """Tags a commit as a version of an artifact and as the latest of a stage, unless it is both already.

    Args:
        name: of the artifact in dvc.yaml.
        stage: such as `champion`.
        number: the version's number; the next free one is taken if another commit has it.
        revision: the commit.
        message: of the tags, which are annotated: DVC ignores others.

    Returns:
        The names of the two tags, the version's first.

    Raises:
        UserError: the commit's dvc.yaml does not list the artifact, or git refuses.
    """
    if name not in (_dvc_yaml(revision).get("artifacts") or {}):
        raise UserError(f"dvc.yaml of commit {revision[:7]} has no artifact '{name}'")
    commits = tagged_commits(name)
    versions = {tag: int(match[1]) for tag in commits if (match := re.fullmatch(rf"{name}@v(\d+)\.0\.0", tag))}
    stages = {tag: int(match[1]) for tag in commits if (match := re.fullmatch(rf"{name}#{stage}#(\d+)", tag))}
    version = next((tag for tag in versions if commits[tag] == revision), None)
    if version is None:
        number = number if number not in versions.values() else max(versions.values()) + 1
        version = _tag(f"{name}@v{number}.0.0", revision, message)
    latest = max(stages, key=stages.__getitem__, default=None)
    if latest is None or commits[latest] != revision:
        latest = _tag(f"{name}#{stage}#{max(stages.values(), default=0) + 1}", revision, message)
    return [version, latest]


def tagged_commits(name: str) -> dict[str, str]:
    """The commit of each of the artifact's tags."""
    form = "--format=%(refname:short) %(*objectname)"
    lines = git.output("for-each-ref", form, f"refs/tags/{name}@*", f"refs/tags/{name}#*").splitlines()
    return dict(line.split(" ") for line in lines if not line.endswith(" "))


def _tag(tag: str, revision: str, message: str) -> str:
    git.output("tag", "--annotate", "--no-sign", "--message", message, tag, revision)
    return tag


def _dvc_yaml(revision: str) -> dict:
    try:
        content = yaml.parse(git.read_file(revision, "dvc.yaml") or b"", "dvc.yaml")
    except UserError:
        return {}
    return content if isinstance(content, dict) else {}
