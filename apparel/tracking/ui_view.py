"""The columns of MLflow's run list in `apparel ui`: mAP50, then average precision by class.

MLflow's default list has no metric columns; choosing six by hand is needed again in each browser and experiment. Its
other columns are left out: they would push the metrics off a laptop's screen.
"""

import json
from typing import Any

from apparel.evaluation import evaluate

KEY = "apparel"
"""Name of the view in the address: `viewStateShareKey=apparel`."""

TAG = f"mlflow.sharedViewState.{KEY}"
"""Tag of an experiment in which MLflow keeps a shared view of that name."""


def share_view(client: Any) -> str:
    """Gives each experiment a view with a column for each class.

    Args:
        client: MLflow's.

    Returns:
        The part behind `#` of the address of the newest experiment with results.
    """
    experiments = client.search_experiments(order_by=["last_update_time DESC"])
    newest = None
    for experiment in experiments:
        runs = client.search_runs([experiment.experiment_id], max_results=20)
        metrics = {name for run in runs for name in run.data.metrics}
        by_class = sorted(name for name in metrics if name.startswith("test/AP50/"))
        if by_class:
            mean = evaluate.FIRST_METRIC if evaluate.FIRST_METRIC in metrics else "test/mAP50"
            columns = [f"metrics.`{name}`" for name in (mean, *by_class)]
            view = json.dumps({"selectedColumns": columns})
            if experiment.tags.get(TAG) != view:
                client.set_experiment_tag(experiment.experiment_id, TAG, view)
            newest = newest or experiment.experiment_id
    # Without this workflow type MLflow shows its pages for language models.
    if newest is None:
        return "/experiments?workflowType=machine_learning"
    return f"/experiments/{newest}/runs?viewStateShareKey={KEY}&workflowType=machine_learning"
