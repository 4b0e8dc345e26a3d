"""The list of runs has a column for each class."""

import json

from apparel.tracking import ui_view
from apparel.tracking.server import connect


def test_experiments_with_results_get_a_view_with_a_column_a_class(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    client = connect(f"sqlite:///{(tmp_path / 'mlflow.db').as_posix()}")
    assert ui_view.share_view(client) == "/experiments?workflowType=machine_learning"
    measured, trained = (client.create_experiment(name, "mlartifacts/x") for name in ("measured", "trained"))
    for experiment, names in (
        (measured, ["test/AP50/Tops", "test/AP50/Dresses", "test/mAP50", "mAP50"]),
        (trained, ["train/loss"]),
    ):
        run = client.create_run(experiment).info.run_id
        for name in names:
            client.log_metric(run, name, 0.5)
    address = f"/experiments/{measured}/runs?viewStateShareKey=apparel&workflowType=machine_learning"
    assert [ui_view.share_view(client) for _ in range(2)] == [address, address]
    assert ui_view.TAG not in client.get_experiment(trained).tags
    assert json.loads(client.get_experiment(measured).tags[ui_view.TAG])["selectedColumns"] == [
        "metrics.`mAP50`",
        "metrics.`test/AP50/Dresses`",
        "metrics.`test/AP50/Tops`",
    ]
