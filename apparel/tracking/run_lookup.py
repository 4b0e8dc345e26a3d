"""The run in MLflow that an outbox belongs to: found by its tag, or created, and confirmed by MLflow's search."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

from apparel.errors import UserError, plain
from apparel.tracking.outbox import Outbox, all_outboxes, find_outbox
from apparel.tracking.receipt import INVALID, MISSING, Unconfirmed, is_mlflows, stored_run
from apparel.tracking.server import DATABASE, LOCAL_SERVER, clean_name, reason

ID_TAG = "apparel.id"
"""Tag with the id of a run's outbox, by which a run is found that was created before a crash."""

REPLACES_TAG, PARENT_TAG = "apparel.replaces", "apparel.parent"
"""Tags of a run that was sent anew: the run that it stands for, and the parent that its server does not have."""


class Gone(UserError):
    """The server does not have the run, parent or experiment that an outbox names, by MLflow's own word.

    Attributes:
        outbox: which cannot be sent.
        changes: what the header of the outbox has to have for a new run.
    """

    def __init__(self, outbox: Outbox, what: str, changes: dict[str, Any]) -> None:
        super().__init__(
            f"{outbox.header.server} does not have {what}; to send it as a new run: apparel sync --as-new "
            f"{outbox.id[:8]}, or to the server that has it: apparel sync --to ADDRESS {outbox.id[:8]}"
        )
        self.outbox, self.changes = outbox, changes


def find_or_create(client: Any, outbox: Outbox, send: Callable[[Outbox], None]) -> str:
    """MLflow's id of an outbox's run.

    Args:
        client: MLflow's.
        outbox: of the run.
        send: sends another outbox, which the run belongs to.

    Raises:
        Gone: MLflow does not have what the header names.
        Unconfirmed: what answers is not MLflow.
        Exception: whatever MLflow's client raises.
    """
    header = outbox.header
    if header.run:
        run = _resolve(client, outbox, header.run, send)
        if not run or is_gone(client, run):
            raise gone_run(outbox)
        return run
    experiment = _experiment(client, outbox)
    run = _tagged(client, outbox.id, experiment)
    if run:
        return run
    tags = {ID_TAG: outbox.id}
    if header.parent:
        parent = _resolve(client, outbox, header.parent, send)
        if not parent:
            what = f"run {header.parent}, under which it is to be shown"
            raise Gone(outbox, what, {"parent": None, "former_parent": header.parent})
        tags["mlflow.parentRunId"] = parent
    if header.replaces:
        tags[REPLACES_TAG] = f"run {header.replaces}" + (f" of {header.origin}" if header.origin else "")
    if header.former_parent:
        tags[PARENT_TAG] = header.former_parent
    client.create_run(experiment, header.start, tags, header.name)
    run = _tagged(client, outbox.id, experiment)
    if not run:
        raise Unconfirmed("what answers there does not have the run after it was created")
    return run


def is_gone(client: Any, run: str) -> bool:
    """Whether MLflow says that the run was deleted, or that it has none with this id."""
    try:
        return stored_run(client, run).info.lifecycle_stage == "deleted"
    except Exception as error:
        if is_mlflows(error, MISSING, INVALID):
            return True
        raise


def gone_run(outbox: Outbox) -> Gone:
    """The error for an outbox whose header names a run that its server does not have."""
    name, server = outbox.header.run, outbox.header.server
    # Several outboxes may belong to the run that was given: what was sent in its place takes all of them.
    taken = (known.id for known in all_outboxes() if (known.header.replaces, known.header.server) == (name, server))
    origin = outbox.header.origin if outbox.header.replaces == name else None
    changes = {"run": next(taken, None), "replaces": name, "origin": origin}
    return Gone(outbox, f"run {name}, to which it belongs (MLFLOW_RUN_ID)", changes)


def _resolve(client: Any, outbox: Outbox, name: str, send: Callable[[Outbox], None]) -> str | None:
    """MLflow's id of another run, given by that id or by the id of its outbox; one of this clone is sent first.

    None if MLflow has no such run; one that was deleted is still there.
    """
    other = find_outbox(name)
    if other and other.header.server == outbox.header.server:
        if not other.sent()[0]:
            send(other)
        return other.sent()[0]
    experiment = _experiment(client, outbox, create=False)
    run = _tagged(client, name, experiment) if experiment and "'" not in name else None
    try:
        return run or stored_run(client, name).info.run_id
    except Exception as error:
        if is_mlflows(error, MISSING, INVALID):
            return None
        raise


def _tagged(client: Any, name: str, experiment: str) -> str | None:
    """MLflow's id of the run with that outbox.

    A false answer to the search before a run is created leads to a second run, which is deleted while it is empty.
    """
    condition = f"tags.`{ID_TAG}` = '{name}'"
    runs = client.search_runs([experiment], condition)
    if any(run.data.tags.get(ID_TAG) != name or not run.info.run_id for run in runs):
        raise Unconfirmed("what answers there is not MLflow, or gives other runs than it was asked for")
    runs = sorted(runs, key=lambda run: (-len(run.data.metrics) - len(run.data.params), run.info.run_id))
    for surplus in runs[1:]:
        if not surplus.data.metrics and not surplus.data.params:
            client.delete_run(surplus.info.run_id)
    if len(runs) > 1 and len(client.search_runs([experiment], condition)) > 1:
        raise Unconfirmed(f"there are {len(runs)} runs with the tag {ID_TAG} = {name}; delete all but one of them")
    return runs[0].info.run_id if runs else None


def _experiment(client: Any, outbox: Outbox, create: bool = True) -> str | None:
    """The id of the outbox's experiment, which is created if MLflow does not have it."""
    name = outbox.header.experiment
    experiment = _experiment_named(client, name)
    if experiment is None and create:
        try:
            client.create_experiment(name, tags={"mlflow.experimentKind": "custom_model_development"})
        except Exception as error:
            if is_mlflows(error, INVALID):
                what = f"experiment '{plain(name)}', and refuses its name ({reason(error)})"
                raise Gone(outbox, what, {"experiment": clean_name(name)}) from None
            raise
        experiment = _experiment_named(client, name)
        if experiment is None:
            raise Unconfirmed(f"what answers there does not have experiment '{name}' after it was created")
        if outbox.header.server == LOCAL_SERVER:
            _make_location_relative(experiment.experiment_id)
    if experiment is not None and experiment.lifecycle_stage == "deleted":
        if not create:
            return None
        what = f"experiment '{name}', since it was deleted there (mlflow experiments restore brings it back)"
        raise Gone(outbox, what, {"experiment": _free_name(client, name)})
    return experiment.experiment_id if experiment else None


def _experiment_named(client: Any, name: str) -> Any:
    experiment = client.get_experiment_by_name(name)
    # MySQL takes names that differ in case for the same.
    if experiment is not None and (_folded(experiment.name) != _folded(name) or not experiment.experiment_id):
        raise Unconfirmed(f"what answers there is not MLflow, or gives another experiment than '{name}'")
    return experiment


def _folded(name: str) -> str:
    return name.strip().casefold()


def _free_name(client: Any, name: str) -> str:
    """`name-2` or the next that was not deleted."""
    number = 2
    while (experiment := _experiment_named(client, f"{name}-{number}")) and experiment.lifecycle_stage == "deleted":
        number += 1
    return f"{name}-{number}"


def _make_location_relative(experiment: str) -> None:
    """MLflow writes an absolute path of the artifacts here: they would be lost when the project is moved."""
    with closing(sqlite3.connect(DATABASE, timeout=30)) as database, database:
        location = f"mlartifacts/{experiment}"
        database.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (location, experiment))
