"""Learning rates of methods with several stages: how many there are, who gets which, and what is refused."""

from collections.abc import Callable
from typing import Any

import pytest

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.experiment import Experiment
from rftlab.methods.base import load_method, make_settings, rates_of, stages_of

SFT_GIVEN = {"stages": [{"method": "sft", "share": 0.5, "learning_rate": 0.02}, {"method": "grpo", "share": 0.5}]}


def stages(method: str, **settings: Any) -> list[str]:
    made = load_method(method)
    return [stage.name for stage in stages_of(made, method, make_settings(made, method, "", settings))]


def test_a_stage_takes_a_rate_unless_the_settings_give_it() -> None:
    assert stages("sft") == ["sft"]
    assert stages("sft+grpo") == ["sft", "grpo"]
    assert stages("sft+grpo", **SFT_GIVEN) == ["grpo"]
    assert stages("rlhf") == ["sft", "reward model", "ppo"]
    assert stages("rlhf", sft_share=0.0, reward_learning_rate=0.1) == ["ppo"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"method": "sft", "learning_rates": [1e-3, 1e-4]}, r"2 rates, but method 'sft' takes 1 \(sft\)"),
        ({"method": "sft+grpo", "learning_rates": [1e-3]}, r"1 rate, but method 'sft\+grpo' takes 2 \(sft, grpo\)"),
        ({"method": "rlhf", "learning_rates": [1e-3]}, r"takes 3 \(sft, reward model, ppo\); give one for each"),
    ],
)
def test_another_number_of_rates_than_the_method_has_stages_is_refused(
    values: dict[str, Any], said: str, small_cell: Callable[..., Cell]
) -> None:
    with pytest.raises(RftlabError, match=said):
        Experiment(small_cell(**values))


def test_each_stage_trains_at_its_own_rate(small_cell: Callable[..., Cell]) -> None:
    constant = [{"method": "sft", "share": 0.5, "settings": {"lr_scheduler_type": "constant", "warmup_ratio": 0.0}}] * 2
    cell = small_cell(method="sft+grpo", settings={"stages": constant}, learning_rates=[1e-3, 1e-5])
    experiment = Experiment(cell)
    trace = experiment.train()
    assert trace["train/learning_rate"].dropna().tolist() == [pytest.approx(1e-3), pytest.approx(1e-5)]
    experiment.evaluate()
    assert experiment.record().metrics["learning_rate"] == 1e-5


def test_rates_that_are_not_given_are_the_defaults_of_the_stages() -> None:
    method = load_method("sft+grpo")
    found = stages_of(method, "sft+grpo", make_settings(method, "sft+grpo", "", {}))
    assert rates_of(Cell.make({"method": "sft+grpo"}), found) == (1e-3, 5e-4)
    assert rates_of(Cell.make({"method": "sft+grpo", "learning_rates": [0.1, 0.2]}), found) == (0.1, 0.2)
