"""Counts on the meta device, held against models that are there."""

import pytest
import torch
from transformers import AutoConfig, LlamaConfig, LlamaForCausalLM, Qwen2Config

from rftlab.advise.bases import BASES, known
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.experiment.architecture import counted
from rftlab.policy.anatomy import with_layers
from rftlab.policy.load import load_policy
from rftlab.policy.meta import anatomy

SHAPE = {
    "vocab_size": 60, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64,
}  # fmt: skip
LORA, FULL = Cell.make({"adapter.r": 4}), Cell.make({"adapter.kind": "full"})


def test_weights_of_the_tiny_base_are_counted_as_they_are_loaded():
    cell = Cell.make({})
    found, model = counted(cell, half=False), load_policy(cell).model
    base = [p for name, p in model.named_parameters() if "lora_" not in name]
    assert found.parameters == sum(p.numel() for p in base)
    assert found.bytes == 4 * found.parameters + sum(b.nbytes for b in model.buffers())
    assert found.trained == found.adapter == sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert (found.vocabulary, found.hidden) == tuple(model.get_output_embeddings().weight.shape)


@pytest.mark.parametrize("tied", [True, False])
def test_weights_of_a_random_llama(tied):
    config = LlamaConfig(**SHAPE, tie_word_embeddings=tied)
    model = LlamaForCausalLM(config)
    found = anatomy(config, FULL, half=False)
    assert found.parameters == found.trained == sum(p.numel() for p in model.parameters())
    assert found.adapter == 0
    assert found.cache == 3 * 2 * 2 * 8  # layers, keys and values, groups, their width
    assert (found.layers, found.widest, found.context) == (3, 48, 64)


def test_a_pass_keeps_what_autograd_says_it_keeps():
    config = LlamaConfig(**SHAPE, attn_implementation="eager")
    model = LlamaForCausalLM(config)
    kept: dict[int, torch.Tensor] = {}
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            kept.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model.train().model(input_ids=torch.zeros(2, 24, dtype=torch.long), attention_mask=torch.ones(2, 24))
    real = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    found = anatomy(config, FULL, half=False)
    assert 2 * (24 * found.saved + 24**2 * found.pairs) == pytest.approx(real, rel=0.15)


def test_layers_that_are_alike_need_not_all_be_counted():
    config = {**SHAPE, "model_type": "qwen2", "tie_word_embeddings": True}
    for cell in (LORA, FULL):
        assert counted(cell, config, half=True) == anatomy(
            Qwen2Config(**SHAPE, tie_word_embeddings=True), cell, half=True
        )


def test_a_base_under_an_adapter_may_be_in_half_precision_but_never_one_that_is_trained():
    config = LlamaConfig(**SHAPE)
    assert anatomy(config, LORA, half=True).number == pytest.approx(2, rel=0.01)
    assert anatomy(config, FULL, half=True).number == pytest.approx(4, rel=0.01)


def test_the_table_of_bases_has_the_shapes_of_its_models():
    from accelerate import init_empty_weights
    from transformers import AutoModelForCausalLM

    def parameters(config):
        with init_empty_weights():
            model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config))
        model.tie_weights()
        return sum(p.numel() for p in model.parameters())

    for base in BASES:
        one, two = (parameters({**base.config, "num_hidden_layers": n}) for n in (1, 2))
        assert one + (base.config["num_hidden_layers"] - 1) * (two - one) == base.parameters, base.id
    assert [base.parameters for base in BASES] == sorted(base.parameters for base in BASES)
    assert known("qwen/qwen2.5-0.5b") is known("Qwen/Qwen2.5-0.5B-Instruct") is not None
    assert known("somebody/else") is None


def test_what_cannot_be_counted_is_said():
    with pytest.raises(RftlabError, match="no module 'q_prj'; did you mean q_proj"):
        anatomy(LlamaConfig(**SHAPE), Cell.make({"adapter.target_modules": "q_prj"}), half=False)
    with pytest.raises(RftlabError, match="neither a directory nor a hub id"):
        counted(Cell.make({"model": "no-such-model"}), half=False)
    broken = LlamaConfig(**SHAPE)
    broken.num_attention_heads = 5
    with pytest.raises(RftlabError, match="model 'tiny-base' cannot be"):
        anatomy(broken, LORA, half=False)


def test_one_layer_more_adds_what_the_second_added():
    one, two = (anatomy(LlamaConfig(**{**SHAPE, "num_hidden_layers": n}), LORA, half=False) for n in (1, 2))
    assert with_layers(one, two, 2) == two
    assert with_layers(one, two, 1) == one._replace(widest=two.widest)
