"""What each stage in a dvc.yaml is to depend on: `python -m tools.stage_deps` writes it there.

A stage's `deps` are its data and the project's files that it imports, transitively. The second half is found here by
reading the import statements of every module on the way, those inside functions included; nothing is imported.
"""

import ast
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
DVC_YAML = ROOT / "dvc.yaml"
DEMO_YAML = ROOT / "data" / "demo" / "dvc.yaml"
CODE = ("apparel", "stages", "data")


def code(stage: dict) -> list[str]:
    """The project's files behind a stage's `python -m MODULE`, relative to the root, sorted."""
    waiting, found = files(stage["cmd"].removeprefix("python -m ")), set()
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += imported(path) if path.suffix == ".py" else []
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def imported(module: Path) -> list[Path]:
    """The project's files that a module imports, and what lies beside it and is named by it, such as `templates`."""
    found = []
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names):
                found += [file for alias in names for file in files(alias.name)]
            case ast.ImportFrom(package, names, 0):
                found += [file for alias in names for file in files(f"{package}.{alias.name}")]
            case ast.ImportFrom():
                raise ValueError(f"{module} has a relative import; write it out")
            case ast.Constant(str(text)) if is_beside(module, text):
                found.append(module.parent / text)
    return found


def files(name: str) -> list[Path]:
    """The files that importing `name` runs: the packages on the way, and the module. None when it is not ours."""
    parts = name.split(".")
    if parts[0] not in CODE:
        return []
    steps = [ROOT.joinpath(*parts[:count]) for count in range(1, len(parts) + 1)]
    candidates = [path for step in steps for path in (step / "__init__.py", step.with_suffix(".py"))]
    return [path for path in candidates if path.is_file()]


def is_beside(module: Path, text: str) -> bool:
    """Whether `text` names a file or folder beside the module that is no code."""
    if not text.replace("_", "").isalnum():
        return False
    path = module.parent / text
    return path.exists() and not any(path.glob("*.py"))


def with_code(stage: dict) -> list[str]:
    """The stage's `deps` as they are to be: those that are not code as they are, then all of the code."""
    return [dep for dep in stage["deps"] if not dep.startswith("apparel/") and not dep.endswith(".py")] + code(stage)


def main() -> None:
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 4096
    for path in (DVC_YAML, DEMO_YAML):
        pipeline = yaml.load(path)
        for stage in pipeline["stages"].values():
            stage["deps"] = with_code(stage)
        yaml.dump(pipeline, path)


if __name__ == "__main__":
    main()
