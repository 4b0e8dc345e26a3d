"""Files of ensembles: what they may say, and what `apparel ensemble fit` writes into them."""

import pytest

from apparel.errors import UserError
from apparel.inference import ensemble_file
from apparel.inference.ensemble_file import Fusion
from apparel.models.thresholds import Thresholds
from tests.support.repository import ROOT

TWO = """# Two models.
members:
  - {model: six, mirrored: true}  # both views share its weight
  - {model: ../exported.tflite}
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A function that writes the file of an ensemble, `configs/ensembles/two.yaml`."""
    monkeypatch.chdir(tmp_path)
    ensemble_file.FOLDER.mkdir(parents=True)

    def write(text):
        path = ensemble_file.FOLDER / "two.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_members_weigh_the_same_unless_the_file_says_otherwise(file):
    config = ensemble_file.read(file(TWO))
    assert config.shares == (0.5, 0.5) and config.fusion.iou == 0.55
    assert [member.views for member in config.members] == [2, 1]
    assert ensemble_file.read(file(TWO + "fusion: {iou: 0.6, weights: [3, 1]}")).shares == (0.75, 0.25)


@pytest.mark.parametrize("path", sorted((ROOT / ensemble_file.FOLDER).glob("*.yaml")), ids=lambda path: path.stem)
def test_an_ensemble_of_the_project_names_the_workspace_or_recipes(path):
    recipes = {recipe.stem for recipe in (ROOT / "configs/experiments").glob("*.yaml")}
    assert {member.model for member in ensemble_file.read(path).members} <= {"workspace", *recipes}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("members: []", "members"),
        ("members: [{model: six}]", "one member that looks once is no ensemble"),
        ("members: [{model: six, mirored: true}]", "mirored.*did you mean 'mirrored'|mirored"),
        ("members: [{model: six}, {model: ''}]", "model"),
        ("members: [{model: six, weight: 2}, {model: lite}]", "weights stand together, one a member"),
        (TWO + "fusion: {weights: [1, 0]}", "weights"),
        (TWO + "fusion: {weights: [1, -1]}", "weights"),
        (TWO + "fusion: {weights: [1, .nan]}", "weights"),
        (TWO + f"fusion: {{weights: [1, 1{'0' * 400}]}}", "weights"),
        (TWO + "fusion: {weights: [1, 1.0e-9]}", "weights: input should be greater than or equal to 0.001"),
        (TWO + "fusion: {weights: [1, 2, 3]}", "3 weights for 2 members"),
        (TWO + "fusion: {iou: 1}", "iou"),
        ("members: [{model: six}, {model: six, resolution: 8}]", "resolution"),
        ("a: b: c", "not valid YAML"),
        ("[]", "expected the keys members, fusion"),
    ],
)
def test_what_a_file_may_not_say_is_named(file, text, told):
    with pytest.raises(UserError, match=rf"two\.yaml.*({told})"):
        ensemble_file.read(file(text))


@pytest.mark.parametrize(
    ("third", "told"),
    [
        (
            "{modle: lite}",
            "member 3 (line 5): model is missing; member 3 (line 5): modle is unknown; did you mean 'model'?",
        ),
        ("{model: ''}", "member 3 (line 5): model: string should have at least 1 character, found ''"),
        ("lite", "member 3 (line 5): should have the keys model, mirrored, resolution, found 'lite'"),
        (
            "{model: lite, weight: 2}",
            "member 3 (line 5): weights stand together, one a member in their order: `fusion: {weights: [2, 1]}`",
        ),
    ],
)
def test_members_count_from_one_and_have_their_line(file, third, told):
    with pytest.raises(UserError) as error:
        ensemble_file.read(file(f"{TWO}  - {third}\n"))
    assert str(error.value) == f"configs/ensembles/two.yaml: {told}"


def test_a_choice_is_written_into_the_file_and_all_else_stays(file):
    path = file(TWO)
    ensemble_file.write_fusion(path, Fusion(iou=0.45, weights=(2.0, 1.0)))
    assert path.read_text(encoding="utf-8").startswith(TWO)
    assert ensemble_file.read(path).fusion == Fusion(iou=0.45, weights=(2.0, 1.0))
    path = file("fusion:\n  iou: 0.5  # for now\n  weights:\n    - 1\n    - 2\n" + TWO)
    ensemble_file.write_fusion(path, Fusion(iou=0.65, weights=(1.0, 1.0)))
    assert path.read_text(encoding="utf-8") == "fusion: {iou: 0.65, weights: [1.0, 1.0]}\n" + TWO
    text = "{fusion: {iou: 0.5}, members: [{model: a}, {model: b}]}"
    with pytest.raises(UserError, match=r"write this one yourself: fusion: \{iou: 0\.65"):
        ensemble_file.write_fusion(file(text), Fusion(iou=0.65, weights=(1.0, 1.0)))
    assert path.read_text(encoding="utf-8") == text


def test_thresholds_hold_for_these_members_and_weights_alone(file):
    path = file(TWO)
    thresholds = Thresholds({"a": 0.25}, None, {"a": {"0.90": 0.5}})
    before = ensemble_file.identity(ensemble_file.read(path), ["1", "2"])
    written = ensemble_file.write_thresholds(path, before, thresholds)
    assert ensemble_file.read_thresholds(path, before, ["a"]) == thresholds
    changed = ensemble_file.identity(ensemble_file.read(file(TWO + "fusion: {weights: [2, 1]}")), ["1", "2"])
    assert ensemble_file.identity(ensemble_file.read(path), ["1", "3"]) not in (before, changed)
    assert ensemble_file.read_thresholds(path, changed, ["a"]) is None
    written.write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match=r"thresholds\.json is damaged; `apparel ensemble fit two`"):
        ensemble_file.read_thresholds(path, before, ["a"])


def test_an_ensemble_is_found_by_its_name(file):
    path = file(TWO)
    assert ensemble_file.find("two") == path and ensemble_file.is_ensemble(path)
    assert ensemble_file.find("three") is None and ensemble_file.find("../ensembles/two") is None
