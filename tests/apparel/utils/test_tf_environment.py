"""TensorFlow's variables are set with the package, unless they are set already."""

import os
import subprocess
import sys

import pytest

from tests.support.repository import ROOT

CODE = "import apparel, os, sys; print(*(os.environ[name] for name in sys.argv[1:]), 'tensorflow' in sys.modules)"
NAMES = ("TF_USE_LEGACY_KERAS", "TF_CPP_MIN_LOG_LEVEL")


@pytest.mark.parametrize(
    ("given", "expected"), [({}, "1 3 False"), ({"TF_CPP_MIN_LOG_LEVEL": "0"}, "1 0 False")], ids=["unset", "set"]
)
def test_variables_are_set_before_tensorflow_is_imported_and_those_of_the_user_stay(given, expected):
    environment = {name: value for name, value in os.environ.items() if name not in NAMES} | given
    command = [sys.executable, "-c", CODE, *NAMES]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected
