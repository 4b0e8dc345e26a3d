"""The MLflow run of an unfinished training, carried to another machine with its checkpoint: one run with whole curves.

Without it, the machine that goes on would open a second run, which lacks the first steps, beside one that stays open.
"""

import re
from pathlib import Path

from apparel import paths
from apparel.tracking.outbox import OUTBOXES
from apparel.utils import files
from apparel.versioning import provenance

RECORD = "run"
OUTBOX = re.compile(r"[0-9a-f]{32}/(sent\.json|run\.json|lines\.jsonl|files/[0-9a-f]{32}/[^/\\]+)")
"""Names of what is carried: the id of the run, and the files of its outbox."""


def unfinished_record(key: str) -> Path:
    """The file that holds the id of the run that an unfinished training opened.

    Args:
        key: of the training, see `runs.open_run`.
    """
    return paths.LOCAL / "unfinished" / "-".join([key, *provenance.trial().values()])


def pack(key: str) -> dict[str, bytes]:
    """What another machine needs to go on with the run of a training, by name; nothing where it has opened none."""
    record = unfinished_record(key)
    if not record.is_file():
        return {}
    run = record.read_text(encoding="utf-8").strip()
    outbox, content = OUTBOXES / run, {RECORD: run.encode()}
    # The sender may be at work: what it has sent is read first, so that no line is taken for sent that is not here.
    for path in (outbox / "sent.json", *files.below(outbox / "files"), outbox / "run.json", outbox / "lines.jsonl"):
        try:
            content[path.relative_to(OUTBOXES).as_posix()] = path.read_bytes()
        except FileNotFoundError:  # sent meanwhile
            continue
    return content


def unpack(key: str, content: dict[str, bytes]) -> None:
    """Lets the training of this key go on with the run that `pack` packed, unless this clone has one of it."""
    record, run = unfinished_record(key), content.get(RECORD, b"").decode(errors="replace")
    if record.exists() or not re.fullmatch(r"[0-9a-f]{32}", run) or (OUTBOXES / run).exists():
        return
    for name, data in content.items():
        if OUTBOX.fullmatch(name) and name.startswith(f"{run}/") and ".." not in name.split("/"):
            files.write_bytes(OUTBOXES / name, data)
    files.write_text(record, run)
