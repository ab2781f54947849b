"""A local sequence-classification model as a verifier."""

import math
import subprocess
import sys

import pytest

from rftlab.errors import RftlabError
from rftlab.verifiers import reward_model
from rftlab.verifiers.reward_model import RewardModel
from tests.common.tiny_reward_model import save
from tests.verifiers.cases import example


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(save(tmp_path_factory.mktemp("model")))


def test_a_batch_scores_as_its_items_do(folder):
    verifier = RewardModel(model=folder, batch_size=2)
    completions = [f"<answer>{text}</answer>" for text in ("a", "a longer answer", "no", "12 and 13")]
    together = verifier.score(completions, [example("x", "Which?")] * 4)
    alone = [verifier(completion, example("x", "Which?")).reward for completion in completions]
    assert [score.reward for score in together] == pytest.approx(alone, abs=1e-5)
    assert len({round(reward, 6) for reward in alone}) > 1


def test_the_score_is_centred_scaled_and_squashed(monkeypatch, folder):
    monkeypatch.setattr(reward_model, "resolve", lambda entry: lambda model: lambda texts: [3.0, 1.0, math.inf, -1e9])
    scores = RewardModel(model="x", centre=1.0, scale=2.0).score(["<answer>a</answer>"] * 4, [example("b")] * 4)
    assert [score.reward for score in scores] == pytest.approx([1 / (1 + math.exp(-1)), 0.5, 0, 0], abs=1e-9)


def test_unusable_models_are_refused(folder, tmp_path):
    for settings in (
        {},
        {"model": folder, "scale": 0},
        {"model": str(tmp_path)},
        {"model": str(save(tmp_path / "two", labels=2))},
    ):
        with pytest.raises(RftlabError):
            RewardModel(**settings)


def test_the_module_imports_no_torch():
    code = "import sys, rftlab.verifiers.reward_model, rftlab.advise.check; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
