"""Precision: products in bf16 whoever asks the model, all that is trained and all log-probabilities in fp32."""

import statistics
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from rftlab.cell import Cell
from rftlab.experiment import Experiment
from rftlab.methods.critic import shared_copy
from rftlab.policy import load, precision
from rftlab.policy.kept import save
from rftlab.policy.load import Policy, load_policy
from rftlab.policy.rollout import completion_logprobs, sample
from rftlab.record.machine import AUTO_PRECISION

SEEN = torch.ones(2, 12, dtype=torch.long)


@pytest.fixture
def ids() -> torch.Tensor:
    return torch.randint(5, 100, (2, 12), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("kind", "device", "bf16", "dtype"),
    [
        ("lora", "cuda", True, torch.bfloat16),
        ("lora", "cuda", False, torch.float32),
        ("lora", "cpu", True, torch.float32),
        ("full", "cuda", True, torch.float32),
        ("full", "cpu", False, torch.float32),
    ],
)
def test_weights_that_are_trained_are_in_single_precision(
    kind: str, device: str, bf16: bool, dtype: torch.dtype
) -> None:
    assert precision.number_format(kind, device, bf16=bf16) is dtype
    weights = torch.linspace(0.01, 0.5, 1000).to(precision.number_format("full", device, bf16=bf16))
    assert ((weights - 1e-5) != weights).all(), "an update at the lowest rate of the ladders moves every one of them"


def test_products_are_rounded_and_logits_are_not(small_cell: Callable[..., Cell], ids: torch.Tensor) -> None:
    single, half = (load_policy(small_cell(precision=each)) for each in ("fp32", "bf16"))
    assert single.number_format == "float32"
    assert half.number_format == "float32, products in bfloat16"
    with torch.no_grad():
        exact, rounded = (policy.model(input_ids=ids, attention_mask=SEEN).logits for policy in (single, half))
    assert rounded.dtype == torch.float32
    assert (rounded != rounded.bfloat16()).float().mean() > 0.9
    assert not torch.equal(exact, rounded)
    torch.testing.assert_close(rounded, exact, rtol=0, atol=0.3)
    assert not torch.is_autocast_enabled("cpu")


def test_what_is_trained_stays_in_single_precision_and_is_trained(
    small_cell: Callable[..., Cell], ids: torch.Tensor
) -> None:
    gradients = []
    for each in ("fp32", "bf16"):
        model = load_policy(small_cell(precision=each)).model.train()
        model(input_ids=ids, attention_mask=SEEN, labels=ids).loss.backward()
        trained = [p for p in model.parameters() if p.requires_grad]
        assert {p.dtype for p in trained} == {p.grad.dtype for p in trained} == {torch.float32}
        gradients.append(torch.cat([p.grad.flatten() for p in trained]))
    assert functional.cosine_similarity(*gradients, dim=0) > 0.99
    assert not torch.equal(*gradients)


def test_a_copy_of_the_model_computes_as_it_does(small_cell: Callable[..., Cell], ids: torch.Tensor) -> None:
    model = load_policy(small_cell(precision="bf16")).model
    with torch.no_grad():
        assert torch.equal(shared_copy(model)(input_ids=ids).logits, model(input_ids=ids).logits)


def test_a_pass_that_fails_leaves_single_precision_behind(small_cell: Callable[..., Cell]) -> None:
    policy = load_policy(small_cell(precision="bf16"))
    with pytest.raises(IndexError):
        policy.model(input_ids=torch.tensor([[10**9]]))
    assert not torch.is_autocast_enabled("cpu")


def test_attention_is_computed_in_single_precision_on_a_cpu(small_cell: Callable[..., Cell]) -> None:
    seen: list[torch.dtype] = []
    model = load_policy(small_cell(precision="bf16")).model.get_base_model()
    attention = model.model.layers[0].self_attn
    attention.o_proj.register_forward_pre_hook(lambda module, args: seen.append(args[0].dtype))
    attention.v_proj.register_forward_hook(lambda module, args, out: seen.append(out.dtype))
    model(input_ids=torch.tensor([[5, 6, 7]]), attention_mask=torch.ones(1, 3))
    assert seen == [torch.bfloat16, torch.float32]


def test_the_sampler_draws_from_what_is_trained(small_cell: Callable[..., Cell]) -> None:
    policy = load_policy(small_cell(precision="bf16"))
    _shake(policy)
    prompts = [[5, 6, 7], [8, 9]] * 8
    drawn = sample(policy, prompts, max_new_tokens=12, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        trained = completion_logprobs(policy.model, drawn, pad_id=int(policy.tokenizer.pad_token_id))
    gaps = [
        abs(a - b) for r, t in zip(drawn, trained, strict=True) for a, b in zip(r.logprobs, t.tolist(), strict=True)
    ]
    assert statistics.fmean(gaps) < 0.02


@pytest.mark.parametrize(("decided", "smallest", "name"), [
    ("bf16", 10**3, "float32, products in bfloat16"),
    ("fp32", 10**3, "float32"),
    ("bf16", 10**9, "float32"),
])  # fmt: skip
def test_auto_is_what_the_grid_decided_for_large_bases(
    decided: str, smallest: int, name: str, small_cell: Callable[..., Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(AUTO_PRECISION, decided)
    monkeypatch.setattr(load, "SMALL", smallest)
    assert load_policy(small_cell()).number_format == name


def test_the_tiny_base_is_in_single_precision(small_cell: Callable[..., Cell]) -> None:
    assert load_policy(small_cell()).number_format == "float32"


def test_a_kept_policy_answers_as_it_was_trained(
    small_cell: Callable[..., Cell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = load_policy(small_cell(precision="bf16"))
    save(trained, small_cell(), tmp_path, max_new_tokens=8)
    monkeypatch.setenv(AUTO_PRECISION, "fp32")
    assert load_policy(small_cell(), kept=tmp_path).number_format == trained.number_format
    assert load_policy(small_cell(device="cuda:97"), kept=tmp_path).number_format == trained.number_format


def test_what_is_saved_names_no_attention_of_ours(small_cell: Callable[..., Cell], tmp_path: Path) -> None:
    policy = load_policy(small_cell(precision="bf16", **{"adapter.kind": "full"}))
    assert policy.model.config._attn_implementation == "sdpa_fp32"
    policy.model.save_pretrained(tmp_path)
    assert "sdpa" not in (tmp_path / "config.json").read_text()


@pytest.mark.parametrize("method", [pytest.param("sft", marks=pytest.mark.slow), "grpo"])
def test_records_in_half_precision_repeat_bit_for_bit(
    method: str, small_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    cell = small_cell(method=method, precision="bf16", **{"budget.amount": 2.0, "evaluation.test_items": 10})
    first = _run(cell, tmp_path / "first")
    assert _run(cell, tmp_path / "again") == first
    if method == "sft":
        assert _run(Cell.make({**cell.flat(), "precision": "fp32"}), tmp_path / "single") != first


@pytest.mark.slow
@pytest.mark.parametrize("method", ["sft", "grpo"])
def test_accuracy_in_half_precision_is_that_of_single_within_noise(method: str, tmp_path: Path) -> None:
    """Five seeds, paired: the mean difference is within twice its standard error, or 2 points."""
    gaps = []
    for seed in range(5):
        found = {}
        for each in ("fp32", "bf16"):
            values = {"method": method, "precision": each, "seed": seed, "evaluation.along_the_way": 0}
            experiment = Experiment(Cell.make(values | {"evaluation.sampled_items": 0}), out=tmp_path / f"{seed}{each}")
            experiment.train()
            found[each] = experiment.evaluate()["accuracy"]
        gaps.append(found["bf16"] - found["fp32"])
    error = statistics.stdev(gaps) / 5**0.5
    assert abs(statistics.fmean(gaps)) <= max(2 * error, 0.02), gaps


def _shake(policy: Policy) -> None:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in policy.model.named_parameters():
            if "lora_B" in name:
                weight.copy_(0.05 * torch.randn(weight.shape, generator=generator))


def _run(cell: Cell, folder: Path) -> list[object]:
    experiment = Experiment(cell, out=folder)
    trace = experiment.train()
    metrics = experiment.evaluate()
    timed = [name for name in trace.columns if "second" in name or name.endswith("_s")]
    return [trace.drop(columns=timed).to_json(double_precision=15), metrics.to_json(double_precision=15)]
