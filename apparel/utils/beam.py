"""Apache Beam: long work over shards of photos, on the processes of this machine or on many machines.

Who does the work changes no byte: a shard is a fixed number of photos in their order, and results are joined in that
order. Beam moves no photos and no results: workers read what a shard needs, and write its result, in a folder that all
of them see. `shard_files` says what is skipped when a run goes on.

Beam's own DirectRunner hands pipelines to Prism, a program that it downloads from GitHub (apache_beam 2.77,
`runners/direct/direct_runner.py`). Nothing is downloaded at run time, so DirectRunner here is what it was before:
`FnApiRunner`, in this process or with worker processes.
"""

import functools
import os
import pickle
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from apparel.errors import UserError
from apparel.utils import files, locking, shard_files
from apparel.utils.shard_files import Shard, Work

if TYPE_CHECKING:
    from tqdm import tqdm

VARIABLE = "APPAREL_BEAM"
"""Environment variable with the options of Beam, such as `--runner=DirectRunner --direct_num_workers=4`."""

FOLDER = Path(".apparel", "shards")
"""Unfinished shards; one folder for each kind of work."""

ITEMS_A_SHARD = 1_000
"""Photos or files of a shard, a multiple of the photos that a network gets at once. A shard takes seconds to a minute:
long beside what Beam does for it, short to lose when a machine goes."""

SECONDS_BETWEEN_LOOKS = 0.5
"""At the shards that are finished, and at the workers."""

Item, Result = TypeVar("Item"), TypeVar("Result")


def is_asked() -> bool:
    """Whether the user asked for Beam."""
    return bool(os.environ.get(VARIABLE, "").strip())


def ask(runner: str | None, options: Sequence[str]) -> None:
    """Sets the variable, for this process and those that it starts; without a runner, it stays as it is.

    Raises:
        UserError: there is no such runner, it lacks a package or an address, or an option is wrong.
    """
    from apparel.utils import beam_runners

    if runner:
        flags = [option if option.startswith("-") else f"--{option}" for option in options]
        os.environ[VARIABLE] = shlex.join([f"--runner={runner}", *flags])
    elif options:
        raise UserError("--runner-option is for a runner; name it with --runner, such as --runner DirectRunner")
    if is_asked():
        beam_runners.check(os.environ[VARIABLE])


def map_items(
    work: Callable[[Sequence[Item]], Iterable[Result]],
    items: Iterable[Item],
    what: str,
    state: Callable[[Item], Any],
    first: int = 0,
    name: str | None = None,
) -> Iterator[Result]:
    """The results of `work`, in the order of the items.

    Args:
        work: gets the items of a shard, and returns a result for each; a function of a module, or a `partial` of one.
        items: any number, pickled.
        what: is done, for the progress bar.
        state: of what is read for an item, such as `shard_files.file_state` of its file.
        first: how many items before these were done earlier; shards begin where they did without those.
        name: of the folder of shards, for `forget`; by default `what`.

    Raises:
        UserError: the work was refused for an item, or a worker was lost.
    """
    items, size = iter(items), ITEMS_A_SHARD - first % ITEMS_A_SHARD
    with shard_folder(name or what) as folder:
        shards = []
        while part := list(islice(items, size)):
            states = [state(item) for item in part]
            shards.append(shard_files.prepare(folder, functools.partial(_dump, work), part, states, len(part)))
            size = ITEMS_A_SHARD
        run(folder, shards, what)
        for shard in shards:
            path, _ = shard_files.result(folder, shard.key)
            yield from pickle.loads(path.read_bytes())  # noqa: S301 - our own, see shard_files


def map_files(work: Callable[[Item], Result], folder: Path, names: Iterable[Item], what: str) -> Iterator[Result]:
    """The results of `work` for files of a folder, given by their names, in that order; see `map_items`."""
    return map_items(functools.partial(_each, work), names, what, lambda name: shard_files.file_state(folder / name))


def map_shards(work: Work, parts: Sequence[Sequence[Item]], what: str, state: Callable[[Item], Any]) -> list[Any]:
    """The files with the results of each part, as `shard_files.result` gives them; see `map_items`."""
    with shard_folder(what) as folder:
        shards = [shard_files.prepare(folder, work, part, [state(item) for item in part], len(part)) for part in parts]
        run(folder, shards, what)
        return [shard_files.result(folder, shard.key) for shard in shards]


def forget(*what: str) -> None:
    """Removes the shards of work whose results are where they belong, unless another process has begun the same.

    Also after work without Beam: a run with Beam that was killed before may have left some.
    """
    for name in filter(lambda name: _folder(name).is_dir(), what):
        with suppress(UserError), shard_folder(name) as folder:
            files.remove_tree(folder)


@contextmanager
def shard_folder(what: str) -> Iterator[Path]:
    """The folder of the shards of some work, for one process at a time.

    Raises:
        UserError: another process does the same.
    """
    folder = _folder(what)
    folder.mkdir(parents=True, exist_ok=True)
    refusal = f"{what}: another command does this with Beam in this folder; wait for it to end, or stop it"
    with locking.only_one(folder.with_suffix(".lock"), refusal):
        yield folder


def run(folder: Path, shards: Sequence[Shard], what: str) -> None:
    """Has every shard of a folder done by Beam, with a progress bar of photos or files.

    Raises:
        UserError: the runner refuses its options, fails, or lost a worker.
    """
    from tqdm import tqdm

    from apparel.utils import beam_runners

    if not shards:
        return
    keys = [shard.key for shard in shards]
    log = folder.with_suffix(".log")
    with (
        beam_runners.started(os.environ[VARIABLE], functools.partial(_perform, folder.absolute()), keys, log) as job,
        tqdm(total=sum(shard.count for shard in shards), desc=what, unit="", delay=1, leave=False) as progress,
    ):
        waiting = dict(shards)
        while not job.wait(SECONDS_BETWEEN_LOOKS):
            _show_finished(folder, waiting, progress)
        _show_finished(folder, waiting, progress)


def _show_finished(folder: Path, waiting: dict[str, int], progress: "tqdm") -> None:
    for key in shard_files.finished(folder) & waiting.keys():
        progress.update(waiting.pop(key))


def _perform(folder: Path, key: str) -> None:
    """In a worker."""
    shard_files.perform(folder, key)


def _each(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """In a worker."""
    return map(work, items)


def _dump(work: Callable[[Sequence[Item]], Iterable[Result]], items: Sequence[Item], path: Path) -> None:
    """In a worker: the results of a shard, pickled."""
    path.write_bytes(pickle.dumps(list(work(items)), protocol=5))


def _folder(what: str) -> Path:
    return FOLDER / what.replace(" ", "-")
