"""Optimisers and learning rates are those of the pipeline file."""

import pytest
import tensorflow as tf
from google.protobuf import text_format

from apparel.errors import UserError
from apparel.models.tfod import optimizer
from apparel.models.tfod.pipeline_file import PipelineConfig

COSINE = (
    "cosine_decay_learning_rate "
    "{ learning_rate_base: 0.5 total_steps: 1000 warmup_learning_rate: 0.1 warmup_steps: 100 }"
)
EXPONENTIAL = (
    "exponential_decay_learning_rate "
    "{ initial_learning_rate: 0.5 decay_steps: 100 decay_factor: 0.25 staircase: false }"
)
STEPS = (
    "manual_step_learning_rate { initial_learning_rate: 0.5 schedule { step: 10 learning_rate: 0.1 } "
    "schedule { step: 20 learning_rate: 0.05 } }"
)
CONSTANT = "constant_learning_rate { learning_rate: 0.25 }"


def config(kind: str, options: str = "", schedule: str = CONSTANT) -> PipelineConfig:
    section = f"{kind}_optimizer {{ learning_rate {{ {schedule} }} {options} }}"
    return text_format.Parse(f"train_config {{ optimizer {{ {section} }} }}", PipelineConfig())


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        (
            "rms_prop",
            "decay: 0.8 momentum_optimizer_value: 0.7 epsilon: 0.5",
            {"rho": 0.8, "momentum": 0.7, "epsilon": 0.5},
        ),
        ("momentum", "momentum_optimizer_value: 0.7", {"momentum": 0.7}),
        ("adam", "epsilon: 0.5", {"epsilon": 0.5, "beta_1": 0.9, "beta_2": 0.999}),
    ],
)
def test_an_optimiser_has_the_options_of_its_section(kind: str, options: str, expected: dict) -> None:
    built = optimizer.build_optimizer(config(kind, options)).get_config()
    assert built["learning_rate"] == 0  # the training sets it at each step
    assert {name: built[name] for name in expected} == pytest.approx(expected)


def test_a_file_without_an_optimiser_is_refused() -> None:
    with pytest.raises(UserError, match=r"no optimiser; set train\.optimizer"):
        optimizer.build_optimizer(PipelineConfig())


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (CONSTANT, {0: 0.25, 1000: 0.25}),
        (COSINE, {0: 0.1, 50: 0.3, 100: 0.5, 550: 0.25, 1000: 0.0}),
        (EXPONENTIAL, {0: 0.5, 50: 0.25, 100: 0.125, 200: 0.5 / 16}),
        (STEPS, {0: 0.5, 9: 0.5, 10: 0.1, 19: 0.1, 20: 0.05, 1000: 0.05}),
    ],
)
def test_learning_rates_follow_the_schedule(schedule: str, expected: dict[int, float]) -> None:
    rate = tf.function(lambda step: optimizer.learning_rate_at(config("adam", schedule=schedule), step))
    rates = {step: float(rate(tf.constant(step, tf.int64))) for step in expected}
    assert rates == pytest.approx(expected, abs=1e-6)
