"""dvc.yaml against the code: a stage that does not name what it depends on leaves stale results behind."""

import ast
import shutil
from pathlib import Path, PurePosixPath

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from apparel import paths
from apparel.params import AFTER_RESULTS, NOT_IN_STAGES, Params
from apparel.tracking import registry
from tests.support.project_copy import git
from tools import stage_deps
from tools.stage_deps import ROOT


def stages(path) -> dict[str, dict]:
    listed = YAML(typ="safe").load(path.read_text(encoding="utf-8"))["stages"]
    return {name: stage_deps.definition(stage) for name, stage in listed.items()}


STAGES = stages(stage_deps.DVC_YAML)
DEMO = stages(stage_deps.DEMO_YAML)


def outputs(stage: str) -> list[tuple[str, dict]]:
    """Path and options of each output, metrics and plots included."""
    entries = [entry for kind in ("outs", "metrics", "plots") for entry in STAGES[stage].get(kind, [])]
    return [next(iter(entry.items())) if isinstance(entry, dict) else (entry, {}) for entry in entries]


def test_five_stages_after_a_check_and_the_export_in_order_each_with_its_script():
    assert list(STAGES) == ["check", "convert", "split", "tfrecord", "train", "eval", "export"]
    for name, stage in STAGES.items():
        assert stage["cmd"].removesuffix(" ${item}") == f"python -m stages.{name}"
        assert stage["desc"]


@pytest.mark.parametrize("stage", [*STAGES.values(), *DEMO.values()], ids=[*STAGES, *DEMO])
def test_deps_are_what_the_stage_imports(stage):
    assert stage["deps"] == stage_deps.with_code(stage), "run `make deps`, or `python -m tools.stage_deps`"


def test_check_runs_before_all_others_for_every_parameter():
    assert set(STAGES["check"]["params"]) == set(Params.model_fields) - set(NOT_IN_STAGES)
    assert [path for path, _ in outputs("check")] == ["data/results/check/ok.txt"]
    assert "data/results/check/ok.txt" in STAGES["convert"]["deps"]


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "check"])
def test_params_are_what_the_stage_reads(stage):
    listed = {key if "." in key else f"{key}.{name}" for key in STAGES[stage]["params"] for name in keys_of(key)}
    read = set()
    for path in stage_deps.code(STAGES[stage]):
        if path.endswith(".py"):
            read |= params_read(ROOT / path)
    sections = {name.partition(".")[0] for name in read}
    assert sections == {name.partition(".")[0] for name in listed}
    assert {name for name in read if "." in name} <= listed
    assert {name for name in listed if name.startswith("data.")} == {name for name in read if name.startswith("data.")}


def keys_of(section: str) -> list[str]:
    """The keys of a whole section; one of any name for a single key."""
    return list(Params.model_fields[section].annotation.model_fields) if section in Params.model_fields else [section]


def params_read(path) -> set[str]:
    """Names such as `data.name`, or `train` where a section is handed on, from `config.data.name` in the code."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Attribute(ast.Attribute(ast.Name("config" | "chosen" | "params"), section), key) if is_key(
                section, key
            ):
                found.add(f"{section}.{key}")
            case ast.Attribute(ast.Name("config" | "chosen" | "params"), section) if section in Params.model_fields:
                found.add(section)
            case ast.Attribute(ast.Name("config" | "chosen" | "params"), "result_values"):
                sections = Params.model_fields.keys() - {*NOT_IN_STAGES, *AFTER_RESULTS}
                found |= {f"{section}.{key}" for section in sections for key in keys_of(section)}
    return found


def is_key(section: str, key: str) -> bool:
    return section in Params.model_fields and key in Params.model_fields[section].annotation.model_fields


@pytest.mark.parametrize("stage", STAGES)
def test_no_output_turns_the_run_cache_off(stage):
    """But for check, which has to look again: what the parameters name may have gone."""
    for path, options in outputs(stage):
        assert ("persist" in options) == (stage == "check")
        assert PurePosixPath(path).is_relative_to(f"data/results/{stage}")
        assert ".." not in path


def test_an_import_inside_a_function_counts(tmp_path):
    write(tmp_path / "stages" / "late.py", "def main():\n    from apparel import late\n")
    write(tmp_path / "apparel" / "late.py", "")
    assert stage_deps.code({"cmd": "python -m stages.late"}, tmp_path) == [
        "apparel/__init__.py",
        "apparel/late.py",
        "stages/__init__.py",
        "stages/late.py",
    ]


def test_a_template_counts_and_code_that_only_reports_does_not(tmp_path):
    imported = "from apparel.evaluation import report\nfrom apparel.tracking import runs\n"
    write(tmp_path / "stages" / "eval.py", imported)
    write(tmp_path / "apparel" / "evaluation" / "report.py", "PAGE = 'report.html'\n")
    (tmp_path / "apparel" / "evaluation" / "report.html").write_text("", encoding="utf-8")
    write(tmp_path / "apparel" / "tracking" / "runs.py", "from apparel import behind\n")
    (tmp_path / "apparel" / "behind.py").write_text("", encoding="utf-8")
    used = stage_deps.code({"cmd": "python -m stages.eval"}, tmp_path)
    assert "apparel/evaluation/report.html" in used
    assert not [name for name in used if "tracking" in name or "behind" in name]


def test_a_package_that_is_used_whole_is_named_as_a_folder(tmp_path):
    for name in ("models/loss.py", "models/tfod/optimizer.py", "training/loop.py", "training/progress.py"):
        write(tmp_path / "apparel" / name, "")
    used = ["apparel/__init__.py", "apparel/training/__init__.py", "apparel/training/loop.py"]
    used += [f"apparel/models/{name}" for name in ("__init__.py", "loss.py", "tfod/__init__.py", "tfod/optimizer.py")]
    assert stage_deps.folded(used, tmp_path) == [
        "apparel/__init__.py",
        "apparel/models",
        "apparel/training/__init__.py",
        "apparel/training/loop.py",
    ]


def write(module: Path, text: str) -> None:
    """A module, in packages."""
    module.parent.mkdir(parents=True, exist_ok=True)
    module.write_text(text, encoding="utf-8")
    for folder in (module.parent, *module.parent.parents):
        if folder.name in ("", "apparel", "stages") or (folder.parent / "apparel").is_dir():
            (folder / "__init__.py").touch()
        if folder.name in ("apparel", "stages"):
            return


def test_git_ignores_what_dvc_keeps_and_dvc_sees_what_git_keeps(tmp_path):
    shutil.copy2(ROOT / ".gitignore", tmp_path)
    git(tmp_path, "init", "--quiet")
    with Repo.init(str(tmp_path)) as repo:
        kept = ["data/shop/photos", "data/shop/lists", "data/pretrained/coco", "data/unlabelled/shop"]
        for name in kept:
            (tmp_path / name).mkdir(parents=True)
            (tmp_path / name / "file").write_text("of the data")
            pointer = {"outs": [{"md5": "0" * 32 + ".dir", "path": PurePosixPath(name).name}]}
            YAML().dump(pointer, tmp_path / f"{name}.dvc")
        assert {Path(stage.path).relative_to(tmp_path).as_posix() for stage in repo.index.stages} == {
            f"{name}.dvc" for name in kept
        }
    listed = git(tmp_path, "ls-files", "--others", "--exclude-standard").splitlines()
    assert {name for name in listed if name.startswith("data/")} == {f"{name}.dvc" for name in kept}


def test_dvc_finds_the_model_under_the_name_of_mlflows_registered_model():
    with Repo(str(ROOT)) as repo:
        artifact = repo.artifacts.read()["dvc.yaml"][registry.NAME]
        assert repo.artifacts.get_path(registry.NAME) == str(paths.MODEL)
    assert (artifact.type, artifact.path) == ("model", paths.MODEL.as_posix())
    assert artifact.desc and artifact.labels
