"""One run of the pipeline by DVC, with or without a recipe: checked before it starts, ended with all it started."""

import os
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime

from apparel import params, paths
from apparel.analysis import recipes, run_checks, run_plan
from apparel.analysis.recipes import Recipe, Values
from apparel.errors import UserError
from apparel.models import prerequisites
from apparel.utils import nested, processes, yaml
from apparel.versioning import git

SECONDS_TO_END = 30
"""How long an interrupted DVC has to end its stage and unlock the repository before all is killed."""


@dataclass(frozen=True)
class Run:
    """What is run: `command` is DVC's, `params` the whole of params.yaml as it will be.

    `inherited` are keys that keep a value of params.yaml which is not the last commit's. An `isolated` run takes place
    in a copy of the project, and leaves an experiment.
    """

    command: list[str]
    params: params.Params
    recipe: Recipe | None
    experiment: str | None
    force: bool
    isolated: bool
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
            lines.append("note    for the committed values, run `git checkout HEAD params.yaml` first")
        lines += [f"import  {command}" for command in self.missing_imports()]
        return "\n".join([*lines, shlex.join(self.command)])

    def missing_imports(self) -> list[str]:
        """The recipe's commands that import its photos and its weights, where these are not here nor known to DVC."""
        name, checkpoint, unlabelled = self.params.data.name, self.params.train.checkpoint, self.params.data.unlabelled
        imports = self.recipe.imports if self.recipe else {}
        missing = {
            paths.DATA / name: name not in prerequisites.data_sets(),
            paths.PRETRAINED / checkpoint: checkpoint not in prerequisites.weights(),
            paths.UNLABELLED / unlabelled: unlabelled not in prerequisites.unlabelled(),
        }
        folders = [folder.as_posix() for folder, is_missing in missing.items() if is_missing]
        return [imports[folder] for folder in folders if folder in imports]

    def ready_stages(self) -> list[str]:
        """The stages that will run, once all is in place that DVC would refuse late, or not explain.

        Raises:
            UserError: names what is wrong, or what has to be imported first.
        """
        run_checks.check_environment(self.experiment is not None or self.command[1] == "exp", self.isolated)
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
        prerequisites.check_parameters(self.params)
        stages = run_plan.stages_to_run(self.params, self.force)
        run_checks.check_data(self.params, stages, self.isolated)
        return stages

    def readiness(self) -> str:
        """What `expectation` says, or why this run cannot start yet."""
        try:
            return self.expectation(self.ready_stages())
        except UserError as error:
            return f"not yet: {error}"

    def expectation(self, stages: list[str]) -> str:
        """Lines that say which of these stages run, and how long that is expected to take."""
        work = [stage for stage in stages if stage != "check"]
        if not work:
            return "stages  none: all results are up to date"
        seconds, judged_by = run_plan.expected_seconds(self.params, work)
        return (
            f"stages  {', '.join(work)}; DVC's cache has their results if they ran with these values before\n"
            f"time    about {run_plan.duration_text(seconds)} ({judged_by})"
        )


def prepare(name: str | None, experiment: str | None, overrides: list[str], force: bool, isolated: bool = False) -> Run:
    """The run of recipe `name`, or of params.yaml as it is when None.

    Args:
        name: a file of configs/experiments, without its ending.
        experiment: name of the DVC experiment; the recipe's when None, or one by the time for an isolated run.
        overrides: `section.key=value`, which win over the recipe.
        force: run every stage, and replace an experiment of that name.
        isolated: run in a copy of the project.

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
    if isolated and not experiment:
        experiment = f"isolated-{datetime.now():%m%d-%H%M%S}"
    command = recipes.dvc_command(experiment, values, force, isolated)
    return Run(command, checked, recipe, experiment, force, isolated, _inherited(today, values), bool(overrides))


def _inherited(today: Values, values: Values) -> list[str]:
    """Keys, not among `values`, whose value today is not the last commit's: a run before may have left it."""
    committed = None if git.refusal() else git.read_file("HEAD", paths.PARAMS.as_posix())
    before = nested.flatten(yaml.parse(committed, paths.PARAMS.name) if committed else today)
    return [
        key
        for key, value in nested.flatten(today).items()
        if key not in nested.flatten(values) and before.get(key) != value
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
