"""Import statements of the project's modules, read from their source: nothing is imported.

Imports inside functions and for type checking count as well. Relative imports are refused, so that one search finds
every user of a module.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
CODE = ("apparel", "stages")
"""The packages that stages are made of."""


def names(module: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything that a module imports, such as `(3, "apparel.boxes.CORNERS")`.

    Raises:
        ValueError: a relative import.
    """
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(aliases):
                yield from ((node.lineno, alias.name) for alias in aliases)
            case ast.ImportFrom(package, aliases, 0):
                yield from ((node.lineno, f"{package}.{alias.name}") for alias in aliases)
            case ast.ImportFrom():
                raise ValueError(f"{module}, line {node.lineno}: relative import; write the package out")


def files(name: str, root: Path = ROOT) -> list[Path]:
    """The project's files that importing `name` runs: the packages on the way, and the module; none for others."""
    parts = name.split(".")
    if parts[0] not in CODE:
        return []
    steps = [root.joinpath(*parts[:count]) for count in range(1, len(parts) + 1)]
    candidates = [path for step in steps for path in (step / "__init__.py", step.with_suffix(".py"))]
    return [path for path in candidates if path.is_file()]


def file(name: str, root: Path = ROOT) -> Path | None:
    """The project's file that defines `name`, a module, or a name in one; None for other packages."""
    return (files(name, root) or [None])[-1]


def templates(module: Path) -> list[Path]:
    """Files beside a module that are no code and that it names in a string, such as `report.html`."""
    strings = (
        node.value
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    beside = {path.name: path for path in module.parent.iterdir() if path.is_file() and path.suffix != ".py"}
    return [beside[text] for text in strings if text in beside]
