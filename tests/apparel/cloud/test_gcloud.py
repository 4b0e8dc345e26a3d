"""gcloud's command lines, and its errors on one line."""

import pytest

from apparel.cloud import gcloud
from apparel.errors import UserError

PROJECT = """Using endpoint [https://europe-west4-aiplatform.googleapis.com/]
ERROR: (gcloud.ai.custom-jobs.create) The required property [project] is not currently set.
It can be set on a per-command basis by re-running your command with the [--project] flag.

You may set it for your current workspace by running:

  $ gcloud config set project VALUE
"""
"""Of gcloud 528."""


def test_command_lines_have_the_region_where_one_is_given():
    assert gcloud.custom_jobs("cancel", "12") == ["gcloud", "ai", "custom-jobs", "cancel", "12"]
    assert gcloud.custom_jobs("cancel", "12", region="us-east1")[-1] == "--region=us-east1"


def test_a_job_is_its_number_or_its_full_name():
    assert gcloud.parse_job("12") == ("12", None)
    assert gcloud.parse_job("projects/demo/locations/us-east1/customJobs/12", "europe-west4") == ("12", "us-east1")
    for name in ("first", "", "12; ls", "projects/demo/customJobs/12"):
        with pytest.raises(UserError, match="is no job: `apparel cloud jobs` lists"):
            gcloud.parse_job(name)


def test_an_error_is_one_line_with_the_remedy():
    text = gcloud.failure(PROJECT)
    assert text.startswith("gcloud: The required property [project] is not currently set. It can be set")
    assert text.endswith("; run `gcloud config set project PROJECT`")
    assert "\n" not in text
    assert gcloud.failure("") == "gcloud: it ended without a message"
    assert gcloud.failure("ERROR: gcloud crashed (E): https://me:word@host/ refused") == (
        "gcloud: gcloud crashed (E): https://host/ refused"
    )


def test_without_gcloud_the_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"gcloud is not installed; the package is google-cloud-cli: https://cloud"):
        gcloud.run(["gcloud", "version"])


def test_what_is_no_json_is_an_error(monkeypatch):
    monkeypatch.setattr(gcloud, "run", lambda command: "Listed 0 items.")
    with pytest.raises(UserError, match="gcloud gave no JSON: Listed 0 items"):
        gcloud.run_json(["gcloud"])
