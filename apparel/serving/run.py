"""Runs the server of a model: loads the model while it answers already, and watches for a newer one."""

import logging
import signal
import threading
from collections.abc import Callable, Collection
from pathlib import Path

from apparel.analysis.predictions import choose_network
from apparel.errors import UserError
from apparel.inference import networks
from apparel.inference.network import Network
from apparel.serving import http_server
from apparel.serving.app import build_app
from apparel.serving.limits import Limits
from apparel.serving.models import Models

log = logging.getLogger("apparel.serving")

ONE_POOL = ("TensorFlow", "SavedModel")
"""Runtimes whose threads are one pool for all networks of a process."""


def serve(
    models: Models,
    host: str,
    port: int,
    threads: int,
    token: str | None = None,
    hosts: Collection[str] = (),
    limits: Limits | None = None,
    poll_seconds: float = 10,
) -> None:
    """Serves until SIGTERM or Ctrl-C; requests under way are answered first.

    Args:
        models: the model to load and to watch.
        host: address to listen at.
        port: of it.
        threads: that decode photos.
        token: that requests need; None: none.
        hosts: names in a Host header that are the server's.
        limits: None: the usual ones.
        poll_seconds: from one look for a newer model to the next.

    Raises:
        UserError: the first model cannot be loaded.
    """
    limits = limits or Limits()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    logging.getLogger("apparel.serving").setLevel(logging.INFO)
    server = http_server.build_server(build_app(models, threads, limits, token, hosts), host, port, limits)

    def load_first() -> None:
        if not models.update():
            server.should_exit = True
        else:
            models.watch(poll_seconds)

    threading.Thread(target=load_first, name="first model", daemon=True).start()
    # uvicorn raises the signal again after it has ended; as the answer to a signal that is no failure.
    signal.signal(signal.SIGTERM, lambda *_: None)
    server.run()
    if models.current is None and models.problem:
        raise UserError(models.problem)
    models.stop()


def loader(runtime: str | None, threads: int) -> Callable[[Path], list[Network]]:
    """A function that loads the networks of a model: of its fastest export where there is one, as for `predict`.

    A network that takes one photo a call is loaded once a thread, since several of them on one thread each do more than
    one on several; another is loaded once, with all threads, and takes the photos that wait together.

    Args:
        runtime: a name of `choose_network.RUNTIMES`; None: the fastest that there is.
        threads: in all.
    """

    def load_file(path: Path, name: str | None) -> list[Network]:
        network = networks.load(path, name, threads)
        if network.batch_size != 1 or network.runtime in ONE_POOL:
            return [network]
        return [networks.load(path, name, 1) for _ in range(threads)]

    def load(path: Path) -> list[Network]:
        loaded, file, notes = choose_network.choose(path, runtime, load_file)
        for note in notes:
            log.info("%s", note)
        log.info("detects by %s (%s)", loaded[0].runtime, file.as_posix())
        return loaded

    return load
