"""`python -m apparel import`: a data set, or starting weights, brought in and tracked by DVC."""

import argparse
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from apparel import paths
from apparel.errors import UserError
from apparel.utils import processes

if TYPE_CHECKING:
    from apparel.data.ingest.archives import Entry

EXAMPLES = """examples:
  python -m apparel import ../shop --name shop                           a folder, with archives in it or without
  python -m apparel import shop.zip --name shop --dry-run                shows what would come in
  python -m apparel import https://github.com/a/b --rev v1 --name shop --only 'samples/*' --only 'annotations/*'
  python -m apparel import ssd_mobilenet_v1.tar.gz --checkpoint --name coco

Photos, annotations (PASCAL VOC XML, FIAT CSV) and CSV lists are found wherever they lie, in archives or loose.
They go to data/NAME/photos, annotations and lists; weights go to data/pretrained/NAME."""

RESERVED = {"demo", "pretrained", "results", "none"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EXAMPLES
    parser.add_argument("source", metavar="SOURCE", help="a folder, a .zip or .tar[.gz], or a git address or path")
    parser.add_argument("--name", required=True, help="what it is called from now on")
    parser.add_argument("--rev", help="commit, branch or tag of a git repository (default: its HEAD)")
    parser.add_argument(
        "--only",
        metavar="PATTERN",
        action="append",
        default=[],
        help="take only these folders, archives or files of it, or of an archive in it",
    )
    parser.add_argument("--checkpoint", action="store_true", help="SOURCE holds starting weights, not photos")
    parser.add_argument("--replace", action="store_true", help="replace what is there under this name")
    parser.add_argument("--dry-run", action="store_true", help="show what would come in, and leave nothing behind")


def main(arguments: argparse.Namespace) -> None:
    from apparel.data.ingest import sources, staging

    name = _check_name(arguments.name)
    target = (paths.PRETRAINED if arguments.checkpoint else paths.DATA) / name
    record = target.with_name(f"{name}.source.json") if arguments.checkpoint else target / "source.json"
    source = str(Path(arguments.source).resolve()) if Path(arguments.source).exists() else arguments.source
    request = [source, arguments.rev, arguments.only]
    with staging.only_one():
        if staging.recover().get(record.as_posix()) == request:
            print(_next(target, arguments.checkpoint))
            return
        _check_free(target, arguments.replace or arguments.dry_run)
        with staging.staging(target.parent, name) as folder:
            opened = sources.read(arguments.source, arguments.rev, arguments.only, folder / "work")
            bring_in = _weights if arguments.checkpoint else _data_set
            moves, counts = bring_in(opened.entries, folder, target)
            if arguments.dry_run:
                print("a dry run: nothing was kept")
                return
            _draw_demo()  # first, since an import that is killed from here on is finished by the next
            time = datetime.now(UTC).isoformat(timespec="seconds")
            staging.arrive(folder, moves, record, opened.origin | {"imported": time, "counts": counts}, request)
    print(_next(target, arguments.checkpoint))


def _data_set(entries: list["Entry"], folder: Path, target: Path) -> tuple[dict[str, Path], dict[str, int]]:
    """Makes the data set ready in `folder`; returns where its parts go, and its counts."""
    from apparel.data.ingest import dataset

    found = dataset.find(entries)
    print(dataset.summary(found))
    dataset.lay_out(found, folder, folder / "work")
    return {part: target / part for part in dataset.PARTS}, found.counts()


def _weights(entries: list["Entry"], folder: Path, target: Path) -> tuple[dict[str, Path], dict[str, int]]:
    """Makes the weights ready in `folder`; returns where they go, and how many files they are."""
    from apparel.data.ingest import weights

    found = weights.find(entries)
    weights.lay_out(found, folder / "weights", folder / "work")
    print(f"{len(found)} files: {', '.join(sorted(found))}")
    return {"weights": target}, {"files": len(found)}


def _draw_demo() -> None:
    """Makes the drawn photos if they never were: `dvc pull`, `checkout` and `exp apply` ask for every pipeline's files,
    in use or not, and fail without."""
    pipeline = paths.DATA / "demo" / "dvc.yaml"
    if pipeline.is_file() and not pipeline.with_suffix(".lock").exists():
        print("drawing the demo photos, since DVC asks for the files of all pipelines")
        command = [sys.executable, "-m", "dvc", "repro", pipeline.as_posix()]
        nothing = subprocess.DEVNULL
        drawn = subprocess.run(
            command, env=processes.with_this_python(os.environ), stdin=nothing, stdout=nothing, check=False
        )
        if drawn.returncode:
            print(f"warning: they could not be drawn; `dvc repro {pipeline.as_posix()}` tries again")


def _check_name(name: str) -> str:
    from apparel.params import parse_name

    if name in RESERVED or name.endswith(".dvc"):
        raise UserError(f"--name: '{name}' is taken by the project itself; choose another")
    return parse_name(name, "--name")


def _check_free(target: Path, replace: bool) -> None:
    tracked = target.with_name(f"{target.name}.dvc")
    if (target.exists() or target.is_symlink()) and not target.is_dir():
        raise UserError(f"{target.as_posix()} is no folder, and in the way; remove it, or choose another --name")
    if not replace and (tracked.exists() or (target.is_dir() and any(target.iterdir()))):
        raise UserError(
            f"{target.as_posix()} is there already (`dvc checkout` or `dvc pull` fetches it if its files are missing); "
            "choose another --name, or say --replace"
        )


def _next(target: Path, checkpoint: bool) -> str:
    where, name = target.as_posix(), target.name
    if checkpoint:
        from apparel.data.ingest import weights as pretrained

        values = {"checkpoint": name} | pretrained.parameters(target)
        lines = [
            f"  git add {paths.DATA}",
            f"  dvc exp run {' '.join(f'-S train.{key}={value}' for key, value in values.items())}",
        ]
    else:
        lines = [
            f"  git add {paths.DATA}",
            f"  python -m apparel inspect {name}",
            f"  dvc exp run -S data.name={name}",
        ]
    return "\n".join([f"{where} is there, and DVC tracks it; next:", *lines])
