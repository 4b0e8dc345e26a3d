"""One run of the pipeline by DVC, with or without a recipe: checked before it starts, ended with all it started."""

import os
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from apparel import params, paths
from apparel.analysis import recipes
from apparel.analysis.recipes import Recipe, Values
from apparel.errors import UserError
from apparel.utils import processes, yaml
from apparel.versioning import git

SECONDS_TO_END = 30
"""How long an interrupted DVC has to end its stage and unlock the repository before all is killed."""


@dataclass(frozen=True)
class Run:
    """What is run: `command` is DVC's, `params` the whole of params.yaml as it will be.

    `inherited` are keys that keep a value of params.yaml which is not the last commit's.
    """

    command: list[str]
    params: params.Params
    recipe: Recipe | None
    experiment: str | None
    force: bool
    inherited: list[str]
    overridden: bool

    def text(self) -> str:
        """What the recipe says of itself, what else has to be known, and the command as bash takes it."""
        lines = []
        if self.recipe:
            lines += [f"{key:<7} {getattr(self.recipe, key)}" for key in ("about", "takes", "expect")]
            lines += ["note    this is said of the recipe as it is, without -S"] if self.overridden else []
        if self.inherited:
            edited = ", ".join(self.inherited)
            lines.append(f"note    params.yaml is not as committed, and this run takes from it: {edited}")
        lines += [f"import  {command}" for command in self.missing_imports()]
        return "\n".join([*lines, shlex.join(self.command)])

    def missing_imports(self) -> list[str]:
        """Commands that import the data set and the starting weights that are neither here nor tracked by DVC."""
        name, checkpoint = self.params.data.name, self.params.train.checkpoint
        data, weights = paths.DATA / name, paths.PRETRAINED / checkpoint
        commands = []
        is_drawn = (data / "dvc.yaml").exists()
        if not is_drawn and not _is_tracked(paths.photos(name)):
            commands.append(self._import_command(data, f"apparel import SOURCE --name {name}"))
        if not _is_tracked(weights):
            commands.append(self._import_command(weights, f"apparel import SOURCE --checkpoint --name {checkpoint}"))
        return commands

    def check_ready(self) -> None:
        """Checks what DVC would refuse late, or not explain.

        Raises:
            UserError: an import is missing, or this commit has an experiment of that name already.
        """
        if commands := self.missing_imports():
            steps = [*commands, "git add data && git commit -m 'Import data'"]
            raise UserError(
                "\n  ".join(["this run's photos or starting weights are not imported yet; first run:", *steps])
            )
        if self.experiment and not self.force and _exists(self.experiment):
            raise UserError(
                f"this commit has an experiment '{self.experiment}' already: `dvc exp apply {self.experiment}` brings "
                "back its results, --name NAME gives another name, --force runs all stages again and replaces it"
            )

    def _import_command(self, folder: Path, otherwise: str) -> str:
        return self.recipe.imports.get(folder.as_posix(), otherwise) if self.recipe else otherwise


def prepare(name: str | None, experiment: str | None, overrides: list[str], force: bool) -> Run:
    """The run of recipe `name`, or of params.yaml as it is when None.

    Args:
        name: a file of configs/experiments, without its ending.
        experiment: name of the DVC experiment; the recipe's when None.
        overrides: `section.key=value`, which win over the recipe.
        force: run every stage, and replace an experiment of that name.

    Raises:
        UserError: there is no such recipe, or a key or value is refused.
    """
    recipe = recipes.load(name) if name else None
    today = params.load().model_dump(mode="json")
    values = recipe.params if recipe else {}
    recipes.apply_values(today, values, recipes.path(name).as_posix() if name else paths.PARAMS.as_posix())
    values = recipes.merge(values, recipes.parse_overrides(overrides))
    checked = recipes.apply_values(today, values, "-S")
    experiment = params.parse_name(experiment, "--name") if experiment else name
    command = recipes.dvc_command(experiment, values, force)
    return Run(command, checked, recipe, experiment, force, _inherited(today, values), bool(overrides))


def _inherited(today: Values, values: Values) -> list[str]:
    """Keys, not among `values`, whose value today is not the last commit's: a run before may have left it."""
    committed = None if git.refusal() else git.read_file("HEAD", paths.PARAMS.as_posix())
    before = params.flatten(yaml.parse(committed, paths.PARAMS.name) if committed else today)
    return [
        key
        for key, value in params.flatten(today).items()
        if key not in params.flatten(values) and before.get(key) != value
    ]


def start(command: list[str]) -> int:
    """Runs a DVC command by this interpreter, whose `python` its stages take; returns its exit status.

    An interruption reaches DVC and its stage as Ctrl-C in a terminal does, so that DVC unlocks the repository.
    """
    environment = processes.with_this_python(os.environ)
    process = processes.start([sys.executable, "-m", *command], env=environment, stdin=subprocess.DEVNULL)
    family = processes.describe(process.pid)
    try:
        status = process.wait()
    except KeyboardInterrupt:
        _interrupt(process)
        raise
    finally:
        processes.end(family)
    return 128 - status if status < 0 else status


def _interrupt(process: subprocess.Popen) -> None:
    if sys.platform == "win32":
        process.send_signal(signal.CTRL_BREAK_EVENT)
    else:
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        return


def _exists(experiment: str) -> bool:
    """Whether an experiment of that name was made from the current commit: DVC refuses no others."""
    head = git.commit("HEAD") or ""
    return git.commit(f"{git.EXPERIMENTS}/{head[:2]}/{head[2:]}/{experiment}") is not None


def _is_tracked(folder: Path) -> bool:
    return folder.is_dir() or folder.with_name(f"{folder.name}.dvc").is_file()
