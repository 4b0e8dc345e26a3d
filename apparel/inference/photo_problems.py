"""Why a photo cannot be detected on, as `apparel predict` and the server say it beside the photo's name."""

from pathlib import Path

from apparel.errors import one_line


def photo_problem(error: BaseException, name: str) -> str:
    """The reason on one line, without the photo's name and without the remedies that are for files of a data set.

    Args:
        error: of reading or decoding the photo; messages of `apparel.images` begin with the name.
        name: of the photo, of which a path is made for `apparel.images`.
    """
    text = str(error)
    for form in (name, str(Path(name))):  # before the line is made and cut: a name may be long, or hold line ends
        text = text.removeprefix(f"{form}: ").removeprefix(f"{form} ")
    return one_line(Exception(text or type(error).__name__)).partition("; ")[0]
