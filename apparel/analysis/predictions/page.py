"""Page to look through the detections of a prediction run: `index.html`, with its data in files beside it.

The data are scripts, since a page that is opened from a disk may load scripts and pictures, but no JSON.
"""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from apparel.analysis.predictions.page_data import read_chunks, read_rows
from apparel.analysis.predictions.run_tables import DETECTIONS, PHOTOS, PROBLEMS
from apparel.analysis.predictions.thumbnails import THUMBNAILS
from apparel.evaluation import drawing, html
from apparel.utils import files

PAGE = "index.html"
DATA = "page"
"""Names in the output's folder; `DATA` is the folder of the page's data."""

TEMPLATE = Path(__file__).with_name("page.html")


def write_page(folder: Path, thresholds: Mapping[str, float], facts: Mapping[str, str], links: bool = True) -> Path:
    """Writes the page of a run from its tables, which it reads row by row.

    Args:
        folder: of the output, with the tables that `page_data.read_chunks` reads, the thumbnails of
            `apparel.analysis.predictions.thumbnails`, and perhaps `problems.csv`.
        thresholds: the lowest score to show, by class, in the order of the model's classes.
        facts: what the page says about the run, such as its model, by a label.
        links: whether the page stays in this folder, from where it leads to photos of this machine.

    Raises:
        UserError: a table is missing or damaged; names the file and the line.
    """
    names, detections = list(thresholds), Counter()
    photos, data_files = 0, []
    # A million photos take a minute or two.
    progress = tqdm(desc="page", unit=" photos", delay=2, leave=False, disable=None)
    with files.replace_folder(folder / DATA) as unfinished, progress:
        for number, chunk in enumerate(read_chunks(folder / PHOTOS, folder / DETECTIONS, names, links)):
            data_files.append(f"{DATA}/{number:05}.js")
            (unfinished / f"{number:05}.js").write_text(f"addChunk({json.dumps(vars(chunk))});\n", encoding="ascii")
            photos += len(chunk.names)
            progress.update(len(chunk.names))
            detections.update(chunk.classes)
    problems = folder / PROBLEMS
    run = {
        "photos": photos,
        "detections": detections.total(),
        "problems": sum(1 for _ in read_rows(problems, [])) if problems.exists() else 0,
        "facts": dict(facts),
        "files": data_files,
        "thumbnails": THUMBNAILS,
        "classes": [
            {"name": name, "threshold": thresholds[name], "colour": colour, "detections": detections[index]}
            for index, (name, colour) in enumerate(drawing.class_colours(names).items())
        ],
    }
    files.write_text(folder / PAGE, html.render(TEMPLATE, run=run))
    return folder / PAGE
