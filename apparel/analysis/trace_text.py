"""The chain behind a result as text for the terminal, and as JSON."""

import json
from dataclasses import asdict

from apparel.analysis.trace_link import Chain, Link
from apparel.errors import plain
from apparel.utils import terminal


def as_json(chain: Chain) -> str:
    """The chain as a JSON object."""
    return json.dumps(asdict(chain) | {"whole": not chain.broken}, indent=2, default=str)


def as_text(chain: Chain, files: bool = False, colours: bool = False) -> str:
    """The chain for the terminal, and a verdict; `files` lists the files of each folder, `colours` marks the states."""
    origin = f"made by {chain.stage}" + (f" in experiment {chain.experiment}" if chain.experiment else "")
    lines = [f"{_printable(chain.what)}: {origin}", ""]
    for link in chain.links:
        lines += _lines(link, files, colours)
    for title, values in (
        ("parameters", chain.parameters),
        ("packages", chain.packages),
        ("machine", chain.machine),
    ):
        if values:
            width = max(map(len, values))
            lines += [
                "",
                title,
                *(f"  {_printable(name):<{width}}  {_printable(str(value))}" for name, value in values.items()),
            ]
    return "\n".join([*lines, "", _verdict(chain, colours)])


def _verdict(chain: Chain, colours: bool) -> str:
    if not chain.broken:
        return terminal.coloured(f"every link holds ({len(chain.links)})", "green", colours)
    first, count = chain.broken[0], len(chain.broken)
    name = _printable(f"{first.kind} {first.name}".strip())
    text = f"{count} of {len(chain.links)} links broken or missing, first: {name}"
    return terminal.coloured(text, "red", colours)


def _lines(link: Link, files: bool, colours: bool) -> list[str]:
    count = f" ({len(link.files):,} files)" if link.files and link.kind != "code" else ""
    state = link.where if not link.problem else "BROKEN" if link.value else "MISSING"
    marked = terminal.coloured(f"{state:<11}", "red" if link.problem else "green", colours)
    lines = [f"{link.kind:<17}{marked}{_printable(f'{link.name}{count}  {link.value}')}".rstrip()]
    if link.problem:
        lines.append(f"{'':<17}{_printable(link.problem)}")
    if files:
        lines += [f"{'':<28}{md5}  {_printable(name)}" for name, md5 in link.files.items()]
    return lines


def _printable(text: str) -> str:
    return text if text.isprintable() else plain(text)
