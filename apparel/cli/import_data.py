"""`apparel import`: imports a data set, unlabelled photos or starting weights, and tracks them with DVC."""

import argparse
from pathlib import Path

from apparel import paths
from apparel.data.ingest import recovery, staging
from apparel.errors import UserError, plain
from apparel.utils import processes
from apparel.utils.addresses import address_only

EXAMPLES = """examples:
  apparel import ../shop --name shop                           a folder, with or without archives in it
  apparel import shop.zip --name shop --dry-run                shows what would be imported
  apparel import gs://bucket/shop --name shop                  what lies below an address, or an archive there; or s3://
  apparel import https://github.com/a/b --rev v1 --name shop --only 'samples/*' --only 'annotations/*'
  apparel import more.zip --unlabelled --name shop             photos alone, which a teacher labels (docs/training.md)
  apparel import ssd_mobilenet_v1.tar.gz --checkpoint --name coco
  apparel import --checkpoint ssd_mobilenet_v1_coco --name coco    fetched from TensorFlow's model zoo

Photos, annotations (PASCAL VOC XML, YOLO, COCO JSON, FIAT CSV, CSV with corners) and lists may be anywhere in SOURCE,
in archives or not. They are copied to data/NAME/photos, annotations and lists; weights to data/pretrained/NAME;
unlabelled photos to data/unlabelled/NAME."""


def _class_names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names) or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError("expected names that differ, with commas between them")
    return names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.epilog = EXAMPLES
    source_help = "a folder, .zip or .tar[.gz], also at gs://… or s3://…; or git address or path"
    parser.add_argument("source", metavar="SOURCE", nargs="?", help=source_help)
    parser.add_argument("--name", help="the name of the data set or the weights in this project")
    parser.add_argument("--rev", help="commit, branch or tag of a git repository (default: its HEAD)")
    parser.add_argument(
        "--only",
        metavar="PATTERN",
        action="append",
        default=[],
        help="import only these folders, archives or files of SOURCE, or of an archive in it; may be repeated",
    )
    parser.add_argument("--checkpoint", action="store_true", help="SOURCE holds starting weights, or is their name")
    parser.add_argument("--unlabelled", action="store_true", help="import the photos of SOURCE alone, to learn from")
    parser.add_argument(
        "--list", action="store_true", help="list the weights that have names, with SOURCE in it or all"
    )
    parser.add_argument(
        "--classes", type=_class_names, help="a,b,c: names of YOLO's classes by number, from 0, if no file has them"
    )
    parser.add_argument("--without-labels", action="store_true", help="import photos although there is no label")
    parser.add_argument("--replace", action="store_true", help="replace the data set or weights that have this name")
    parser.add_argument("--dry-run", action="store_true", help="show what would be imported, and import nothing")
    parser.add_argument(
        "--abandon", metavar="NAME", nargs="?", const="", help="undo the interrupted import of NAME, or all; no SOURCE"
    )


def main(arguments: argparse.Namespace) -> None:
    """Imports the source, or undoes an interrupted import.

    Raises:
        UserError: the arguments do not fit together, the name is taken, or the source is refused.
    """
    processes.interrupt_on_termination()
    if arguments.abandon is not None and not arguments.source:
        _abandon(arguments.abandon or arguments.name)
        return
    if arguments.list:
        from apparel.data.ingest import model_zoo

        print(model_zoo.list_text(arguments.source or ""))
        return
    if arguments.checkpoint and not arguments.name:
        arguments.name = _published_name(arguments.source)
    if arguments.abandon is not None or not arguments.source or not arguments.name:
        raise UserError("expected `apparel import SOURCE --name NAME`, or `apparel import --abandon [NAME]` alone")
    staging.check_import_name(arguments.name)
    target, record = _places(arguments)
    is_here = Path(arguments.source).exists()
    source = str(Path(arguments.source).resolve()) if is_here else address_only(arguments.source)
    request = [source, arguments.rev, arguments.only, arguments.classes]
    with staging.import_lock():
        imported = recovery.recover_imports(target).get(record.as_posix()) == request
        if not imported:
            staging.check_target_is_free(target, arguments.replace or arguments.dry_run)
            from apparel.data.ingest.import_source import import_source

            options = {"checkpoint": arguments.checkpoint, "dry_run": arguments.dry_run}
            options |= {"without_labels": arguments.without_labels, "photos_alone": arguments.unlabelled}
            imported = import_source(arguments.source, request, target, record, **options)
    if imported:
        print(_next_steps(target))


def _places(arguments: argparse.Namespace) -> tuple[Path, Path]:
    """The folder that is imported to, and the file that records the source.

    Raises:
        UserError: the options exclude each other.
    """
    if arguments.checkpoint and arguments.unlabelled:
        raise UserError("--checkpoint is for weights, --unlabelled for photos: give one of them")
    if arguments.unlabelled and arguments.classes:
        raise UserError("--classes is for labels, and --unlabelled imports none")
    if not (arguments.checkpoint or arguments.unlabelled):
        target = paths.DATA / arguments.name
        return target, target / "source.json"
    target = (paths.PRETRAINED if arguments.checkpoint else paths.UNLABELLED) / arguments.name
    return target, target.with_name(f"{target.name}.source.json")


def _published_name(source: str | None) -> str | None:
    """The name of published weights, which theirs in this project is by default; None if the source is no name."""
    from apparel.data.ingest import model_zoo

    return model_zoo.find_weights(source).name if source and model_zoo.is_name(source) else None


def _abandon(name: str | None) -> None:
    with staging.import_lock():
        abandoned = recovery.abandon_imports(name)
    if name and not abandoned:
        raise UserError(f"no import of '{plain(name)}' was interrupted, so there is nothing to undo")
    print("no import is left unfinished")


def _next_steps(target: Path) -> str:
    """Writes a recipe for a data set, and returns the commands to run after an import."""
    if target.parent == paths.DATA:
        from apparel.analysis import recipe_writer

        return recipe_writer.after_import(target.name)
    if target.parent == paths.UNLABELLED:
        command = f"apparel run -S data.unlabelled={target.name} -S train.teacher=mean -S train.moving_average=0.99"
    else:
        from apparel.models.checkpoint_params import read_checkpoint_params

        params = {"checkpoint": target.name} | read_checkpoint_params(target)
        command = f"apparel run {' '.join(f'-S train.{key}={value}' for key, value in params.items())}"
    lines = [f"imported into {target.as_posix()} and tracked by DVC; next:", f"git add {paths.DATA}", command]
    return "\n  ".join(lines)
