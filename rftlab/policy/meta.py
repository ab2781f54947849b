"""A model of which nothing but shapes exists, on torch's meta device, and what can be counted on it.

accelerate's `estimate-memory` asks a hub first and counts weights alone; here the model is made from its configuration
by accelerate's `init_empty_weights`, given the cell's adapter, and passed through once, so that autograd says what it
would keep for the backward pass.
"""

from typing import Any

import torch
from accelerate import init_empty_weights
from accelerate.utils import compute_module_sizes
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import AutoModelForCausalLM

from rftlab.cell import Cell
from rftlab.errors import RftlabError, told
from rftlab.policy.anatomy import Anatomy
from rftlab.policy.load import adapted
from rftlab.policy.precision import compute_in_half
from rftlab.policy.products import PACK_FROM
from rftlab.policy.quantization import BYTES, NONE

# Tokens of the first of three passes: what grows with their number, with its square, and what does not grow, follows.
_SHORT = 16
_FP32 = 4


def anatomy(config: Any, cell: Cell, *, half: bool, rounds: bool = False) -> Anatomy:
    """Counts of a model.

    Args:
        config: of transformers.
        cell: its adapter is what is trained; its model's name is used in errors.
        half: the base's weights in bf16, where an adapter is trained.
        rounds: its weights in fp32, and products of factors rounded to bf16, as on a CPU.

    Raises:
        RftlabError: it is no causal language model that transformers can make, or the adapter does not fit.
    """
    full = cell.adapter.kind == "full"
    dtype = torch.bfloat16 if half and not full else torch.float32
    try:
        with init_empty_weights(include_buffers=True):
            model: Any = AutoModelForCausalLM.from_config(config, dtype=dtype)
        model.tie_weights()
    except Exception as error:  # whatever making somebody's architecture raises is about that architecture
        raise RftlabError(f"model {cell.model!r} cannot be made from its configuration: {told(error)}") from error
    parameters, text = sum(p.numel() for p in model.parameters()), config.get_text_config()
    size = compute_module_sizes(model)[""]
    head = model.get_output_embeddings()
    linear = [m for m in model.modules() if isinstance(m, nn.Linear)]
    if cell.quantization != NONE:
        packed = sum(m.weight.numel() for m in linear if m is not head)
        size = round(packed * BYTES[cell.quantization]) + _FP32 * (parameters - packed)
    heads = int(getattr(text, "num_key_value_heads", None) or text.num_attention_heads)
    width = int(getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads)
    layers = int(text.num_hidden_layers)
    laid_out = linear if cell.quantization == NONE else [head]
    if not full:
        model = adapted(model, cell)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    saved, pairs, cast = _saved(model, cell.model)
    if rounds:
        # Autocast knows no meta device: a CPU is made believe, whose tensors hold nothing either.
        compute_in_half(model if full else model.get_base_model(), "cpu")
        with FakeTensorMode():
            _believe(model)
            saved, _, cast = _saved(model, cell.model)
    return Anatomy(
        name=cell.model,
        parameters=parameters,
        bytes=size,
        trained=trained,
        adapter=0 if full else trained,
        prepared=sum(m.weight.numel() for m in laid_out if m.weight.numel() >= PACK_FROM),
        vocabulary=int(head.weight.shape[0]),
        hidden=int(text.hidden_size),
        layers=layers,
        cache=layers * 2 * heads * width,
        saved=saved,
        pairs=pairs,
        widest=max(m.out_features for m in linear if m is not head),
        context=int(getattr(text, "max_position_embeddings", None) or 0),
        cast=cast,
        rounds=rounds,
    )


def _believe(model: Any) -> None:
    """Give a model tensors of the mode that is on, for those of the meta device."""
    held = list(model.parameters())  # so that none gets another one's number
    made = {id(w): nn.Parameter(torch.empty(w.shape, dtype=w.dtype), requires_grad=w.requires_grad) for w in held}
    for module in model.modules():
        for name, weight in module._parameters.items():
            module._parameters[name] = made.get(id(weight))
        for name, buffer in module._buffers.items():
            module._buffers[name] = None if buffer is None else torch.empty(buffer.shape, dtype=buffer.dtype)


def _saved(model: Any, name: str) -> tuple[float, float, float]:
    """Bytes that a token, a pair of tokens, and a pass keep for the backward pass up to the last hidden state."""
    one, two, three = (_kept(model, number * _SHORT, name) for number in (1, 2, 3))
    pairs = (three - 2 * two + one) / (2 * _SHORT**2)
    saved = (two - one) / _SHORT - 3 * _SHORT * pairs
    return saved, pairs, one - saved * _SHORT - pairs * _SHORT**2


def _kept(model: Any, tokens: int, name: str) -> int:
    """Bytes of all that autograd keeps of a pass over so many tokens, weights apart; each storage counts once."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    weights = {p.untyped_storage()._cdata for p in model.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()._cdata
        if storage not in weights:
            kept.setdefault(storage, tensor)  # held, so that no later one gets its place
        return tensor

    device = next(base.parameters()).device
    ids = torch.zeros(1, tokens, dtype=torch.long, device=device)
    # As in a padded batch: with a mask, keys and values are repeated for all heads.
    mask = torch.ones(1, 1, tokens, tokens, dtype=torch.bool, device=device)
    positions = torch.arange(tokens, device=device)[None]
    try:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            base.train().base_model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False)
    except Exception as error:  # code that asks for values, which a meta tensor has none of
        raise RftlabError(f"model {name!r} cannot be passed through without its weights: {told(error)}") from error
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
