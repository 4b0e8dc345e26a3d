"""The text and the JSON of a chain."""

import json

from apparel.analysis.trace_link import Chain, Link
from apparel.analysis.trace_text import as_json, as_text

CHAIN = Chain("detections.csv", "eval", None, "six", parameters={"train.seed": 0}, packages={"numpy": "1.26"})
CHAIN.links += [
    Link("photos", "data/shop/photos", "1" * 32 + ".dir", "workspace", files={"a.jpg": "2" * 32, "b.jpg": "3" * 32}),
    Link("model", "data/results/train/model", "4" * 32, "", "damaged"),
    Link("run", "", "", "", "no run trained this model"),
]


def test_each_link_is_a_line_and_its_problem_another():
    lines = as_text(CHAIN).splitlines()
    assert lines[0] == "detections.csv: made by eval in experiment six"
    assert [line.split() for line in lines[2:7]] == [
        ["photos", "workspace", "data/shop/photos", "(2", "files)", "1" * 32 + ".dir"],
        ["model", "BROKEN", "data/results/train/model", "4" * 32],
        ["damaged"],
        ["run", "MISSING"],
        ["no", "run", "trained", "this", "model"],
    ]
    assert [line.split() for line in lines[7:]] == [
        [],
        ["parameters"],
        ["train.seed", "0"],
        [],
        ["packages"],
        ["numpy", "1.26"],
        [],
        ["2", "of", "3", "links", "broken", "or", "missing,", "first:", "model", "data/results/train/model"],
    ]


def test_the_last_line_is_the_verdict():
    whole = Chain("detections.csv", "eval", None, None, links=CHAIN.links[:1])
    assert as_text(whole).splitlines()[-1] == "every link holds (1)"
    assert as_text(whole, colours=True).splitlines()[-1] == "\033[32mevery link holds (1)\033[0m"
    lines = as_text(CHAIN, colours=True).splitlines()
    assert lines[-1] == "\033[31m2 of 3 links broken or missing, first: model data/results/train/model\033[0m"
    assert "\033[31mBROKEN     \033[0mdata/results" in lines[3] and "\033[32mworkspace  \033[0m" in lines[2]


def test_what_a_name_could_do_to_the_terminal_is_escaped():
    link = Link("photos", "data/\033[2J/photos", "", "workspace", "a\033[2Jb", {"\033[2J": "1" * 32})
    chain = Chain("x", "eval", None, None, [link], {"\033[2J": "\033[2J"})
    assert "\033" not in as_text(chain, files=True)


def test_the_files_of_a_folder_are_listed_where_they_are_asked_for():
    assert [line.split() for line in as_text(CHAIN, files=True).splitlines()[3:5]] == [
        ["2" * 32, "a.jpg"],
        ["3" * 32, "b.jpg"],
    ]


def test_the_json_has_all_of_it_and_whether_it_is_whole():
    values = json.loads(as_json(CHAIN))
    assert (values["whole"], values["experiment"], values["parameters"]) == (False, "six", {"train.seed": 0})
    assert values["links"][0]["files"] == {"a.jpg": "2" * 32, "b.jpg": "3" * 32}
    assert json.loads(as_json(Chain("a", "eval", None, None)))["whole"] is True
