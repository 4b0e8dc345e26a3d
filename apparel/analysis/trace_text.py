"""The chain behind a result as text for the terminal, and as JSON."""

import json
from dataclasses import asdict

from apparel.analysis.trace_link import Chain, Link
from apparel.errors import plain


def as_json(chain: Chain) -> str:
    """The chain as a JSON object."""
    return json.dumps(asdict(chain) | {"whole": not chain.broken}, indent=2, default=str)


def as_text(chain: Chain, files: bool = False) -> str:
    """The chain for the terminal; `files` lists the files of each folder."""
    origin = f"made by {chain.stage}" + (f" in experiment {chain.experiment}" if chain.experiment else "")
    lines = [f"{plain(chain.what)}: {origin}", ""]
    for link in chain.links:
        lines += _lines(link, files)
    for title, values in (
        ("parameters", chain.parameters),
        ("packages", chain.packages),
        ("machine", chain.machine),
    ):
        if values:
            width = max(map(len, values))
            lines += ["", title, *(f"  {name:<{width}}  {value}" for name, value in values.items())]
    return "\n".join(line if line.isprintable() else plain(line) for line in lines)


def _lines(link: Link, files: bool) -> list[str]:
    count = f" ({len(link.files):,} files)" if link.files and link.kind != "code" else ""
    state = link.where if not link.problem else "BROKEN" if link.value else "MISSING"
    lines = [f"{link.kind:<17}{state:<11}{link.name}{count}  {link.value}".rstrip()]
    if link.problem:
        lines.append(f"{'':<17}{link.problem}")
    if files:
        lines += [f"{'':<28}{md5}  {name}" for name, md5 in link.files.items()]
    return lines
