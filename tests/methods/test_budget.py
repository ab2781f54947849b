"""A budget is met in every unit, or the record says that it was not; what is paid for is trained on; time moves."""

import pytest

from rftlab.cell import Budget
from rftlab.methods.base import load_method
from tests.methods.test_cost import TRAINED
from tests.toy_mdp import toy_run

FEW = {"prompts_per_step": 2, "num_generations": 4}
SMALL = {
    **dict.fromkeys(TRAINED, FEW), "sft": {}, "sft+grpo": {"stages": [
        {"method": "sft", "share": 0.25}, {"method": "grpo", "share": 0.75, "settings": FEW}]},
    "dpo": {"pair_generations": 64}, "rlhf": {**FEW, "pair_generations": 64, "reward_share": 0.4},
    "rejection_sft": {"samples": 100},
}  # fmt: skip
TOKENS = 4000.0


@pytest.mark.parametrize("method", TRAINED)
def test_tokens_are_spent_within_a_step_and_never_overspent(method: str) -> None:
    run = toy_run(method, 0, budget=Budget(unit="tokens", amount=TOKENS), **SMALL[method])
    load_method(method).train(run)
    run.monitor.close()
    spent, trace = run.monitor.cost.spent("tokens"), run.monitor.trace
    after = [0.0, *(row["tokens_generated"] + row["tokens_trained"] for row in trace)]
    largest = max(now - before for before, now in zip(after[-12:], after[-11:], strict=False))
    print(method, spent, largest, run.monitor.warnings, len(trace))
    assert spent <= TOKENS + 0.1 * largest
    assert spent >= TOKENS - 1.2 * largest
    assert any("was spent" in sentence for sentence in run.monitor.warnings) == (abs(spent / TOKENS - 1) > 0.05)
