"""`apparel predict`: detections of a trained model on photos that nobody labelled."""

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from apparel.cli.arguments import add_runner, path_or_address
from apparel.errors import UserError

if TYPE_CHECKING:
    from apparel.inference.network import Network

EXAMPLES = """examples:
  apparel predict ../autumn                          all photos below a folder, by the model of the last `dvc repro`
  apparel predict shop.zip --pictures --out found    photos in an archive; photos with boxes in found/pictures
  apparel predict photos.txt --model champion        a list, a photo a line, by the champion in MLflow
  apparel predict gs://shop/autumn 'new/**/*.jpg' --precision 0.9
  apparel predict gs://shop/autumn --out gs://shop/found     goes on there on any machine, if this one is lost

PHOTOS are files, folders, .zip and .tar archives, patterns in quotes, addresses of gs:// and s3://, a .txt list with
one of these on each line, or `-` for such a list from standard input. JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF and BMP
are read, turned upright. MODEL is a folder or an exported file, here or in a bucket, an ensemble, `workspace`, a commit
or experiment, an MLflow run, `models:/…` or an alias such as `champion`.

The output is predictions/NAME, or what --out names: index.html to look through, detections.csv (class, score, corners
in pixels), photos.csv, problems.csv (photos that cannot be read, and why) and run.json (which model, which options). A
run that was interrupted goes on where it was when you repeat the command."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    from apparel.analysis.predictions.choose_network import RUNTIMES

    parser.epilog = EXAMPLES
    parser.add_argument("photos", metavar="PHOTOS", nargs="+", help="files, folders, archives, lists or addresses")
    parser.add_argument("--model", default="workspace", help="default: workspace, the model of the last `dvc repro`")
    parser.add_argument("--runtime", choices=list(RUNTIMES), help="default: the fastest export that there is")
    out_help = "a folder, here or at gs://… or s3://… (default: predictions/NAME, by the first PHOTOS)"
    parser.add_argument("--out", metavar="FOLDER", type=path_or_address, help=out_help)
    parser.add_argument(
        "--threshold", metavar="[CLASS=]SCORE", action="append", default=[],
        help="lowest score, 0 to 1, of a detection: of every class, or of one; repeatable (default: the model's)",
    )  # fmt: skip
    parser.add_argument("--precision", type=float, help="thresholds for this precision on val, 0.5 to 0.99")
    parser.add_argument("--lowest-score", metavar="SCORE", type=float, help="write detections below thresholds, too")
    parser.add_argument("--json", action="store_true", help="detections.jsonl, an object a photo")
    parser.add_argument("--pictures", action="store_true", help="pictures/, photos with boxes drawn")
    parser.add_argument("--crops", action="store_true", help="crops/, a picture a detection")
    parser.add_argument("--xml", action="store_true", help="LabelImg's XML beside each photo that has none yet")
    parser.add_argument("--dry-run", action="store_true", help="count the photos, name the model, write nothing")
    add_runner(parser)


def main(arguments: argparse.Namespace) -> None:
    """Detects on the photos, and prints where the results are.

    Raises:
        UserError: there is no such model or source, the folder holds another run, or no photo can be read.
    """
    from tqdm import tqdm

    from apparel.analysis import model_sources
    from apparel.analysis.predictions import bucket_output, run, run_folder, score_options, shard_run
    from apparel.analysis.predictions.photo_sources import PhotoSources
    from apparel.utils import beam

    beam.ask(arguments.runner, arguments.runner_option)
    if beam.is_asked() and isinstance(arguments.out, str):
        raise UserError("with --runner, --out is a folder that all workers see; `gcloud storage cp -r` sends it then")
    folder = arguments.out or run_folder.default_folder(arguments.photos)
    photos = PhotoSources(arguments.photos, folder)
    score_options.check_score(arguments.lowest_score, "--lowest-score")
    model = model_sources.resolve(arguments.model)
    networks, file = _load(model, arguments)
    if arguments.dry_run:
        count = sum(1 for _ in tqdm(photos, desc="counting", unit=" photos", delay=1, leave=False))
        shown = folder.as_posix() if isinstance(folder, Path) else folder
        print(f"{count:,} photos; the output would be {shown}")
        return
    asked = run.Prediction(
        photos=photos,
        networks=networks,
        file=file,
        folder=folder,
        outputs=[name for name in ("json", "pictures", "crops", "xml") if getattr(arguments, name)],
        lowest_score=arguments.lowest_score,
        command=shlex.join(["apparel", *sys.argv[1:]]),
        worker_model=shard_run.WorkerModel(model, arguments.runtime) if beam.is_asked() else None,
    )
    if isinstance(folder, Path):
        run.run(asked)
        return
    with bucket_output.opened(folder) as bucket:
        run.run(replace(asked, folder=bucket.folder, bucket=bucket))


def _load(model: Path, arguments: argparse.Namespace) -> tuple[list["Network"], Path]:
    """The networks with the thresholds to use, and what they were loaded from, which is printed."""
    from apparel.analysis.predictions import choose_network, score_options

    networks, file, notes = choose_network.choose(model, arguments.runtime)
    metadata = networks[0].metadata
    for note in notes:
        print(note)
    thresholds = score_options.thresholds(metadata.thresholds, arguments.threshold, arguments.precision)
    for network in networks:
        network.metadata = metadata.with_thresholds(thresholds)
    print(f"model {metadata.model}, {metadata.detector}, by {networks[0].runtime} ({file.as_posix()})", flush=True)
    return networks, file
