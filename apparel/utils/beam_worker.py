"""Worker process of Beam's DirectRunner: Beam's own, but it ends with its parent and writes nothing to the terminal.

`python -m apparel.utils.beam_worker PARENT`. Beam's worker stays when the process that started it is killed.
"""

import logging
import os
import signal
import sys
import threading
import time

SECONDS_BETWEEN_LOOKS = 0.5
"""At the parent; a worker ends this much later than the parent."""


def main() -> None:
    """Works until the runner has no more work, or its process has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C of the terminal: the parent ends its workers
    logging.disable(logging.ERROR)  # what a photo or a disk refuses is no log; the parent tells it
    threading.Thread(target=_end_with, args=(int(sys.argv[1]),), daemon=True).start()
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main(sys.argv[:1])


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(1)


if __name__ == "__main__":
    main()
