"""A base whose linear layers are held in 4 or 8 bits under an adapter in single precision, by bitsandbytes and PEFT.

QLoRA (Dettmers et al. 2023, 2305.14314): weights in blocks of 64 as 4-bit NormalFloat, the blocks' scales quantised
again, products in bf16. In 8 bits: LLM.int8() (Dettmers et al. 2022, 2208.07339). What is no linear layer, and the
output layer, stays as it is, in single precision.
"""

import importlib.util
import logging
import math
from typing import TYPE_CHECKING, Any

import torch
from peft import prepare_model_for_kbit_training
from torch import nn
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedTokenizerBase

from rftlab.cell import Cell
from rftlab.errors import RftlabError, about
from rftlab.policy.checkpoint import load_checkpoint

if TYPE_CHECKING:
    from rftlab.preflight.checks import Looked

NONE = "none"
# Bytes of a weight, its share of its block's scales included: 64 weights have one of a byte, 256 of those one of four.
BYTES = {"4bit": 0.5 + 1 / 64 + 4 / (64 * 256), "8bit": 1.0}
# On processors with AVX512-BF16 a 4-bit layer that is asked in eval mode lays its weights out anew, for good, and from
# then on passes no gradient on: whoever samples and trains in turn would train the last layers alone.
_PACKS = "support_avx512bf16_for_cpu"
_BLOCK = 64
_SAID = {"4bit": "4 bits (NF4)", "8bit": "8 bits (LLM.int8)"}


def check(looked: "Looked") -> None:
    """Raise if a cell asks for bits that it cannot have.

    Raises:
        RftlabError: as `require`.
    """
    for cell in looked.cells:
        with about("", {"quantization": cell.quantization}):
            require(cell, here=looked.here)


def require(cell: Cell, *, here: bool = True) -> None:
    """Raise if a cell's base is to be quantised, and bitsandbytes is not there or all weights are to be trained.

    Args:
        cell: says how the base is held.
        here: whether it runs on this machine; another one may have bitsandbytes.

    Raises:
        RftlabError: as said.
    """
    if cell.quantization == NONE:
        return
    if cell.adapter.kind == "full":
        raise RftlabError(
            f"quantization is {cell.quantization}, and adapter.kind is full: weights in so few bits cannot be trained; "
            "give adapter.kind: lora, or quantization: none"
        )
    if cell.settings.get("use_vllm"):
        raise RftlabError(f"quantization is {cell.quantization}, and vLLM takes whole weights; leave out use_vllm")
    if here and importlib.util.find_spec("bitsandbytes") is None:
        raise RftlabError(
            f"quantization is {cell.quantization}, which takes bitsandbytes: pip install 'rftlab[bitsandbytes]', or "
            "give quantization: none"
        )


def require_widths(cell: Cell, model: Any, *, on_cpu: bool) -> None:
    """Raise if layers are to be in 4 bits whose blocks do not end with their rows, on a CPU.

    There bitsandbytes 0.50 scales such blocks wrongly: weights come out 25 % off, several times as large where one of
    them is large, instead of 9 %.

    Args:
        cell: says how the base is held.
        model: that base, with its weights or without.
        on_cpu: whether it computes on a CPU.

    Raises:
        RftlabError: as said.
    """
    if cell.quantization != "4bit" or not on_cpu:
        return
    head = model.get_output_embeddings()
    layers = [m for name, m in model.named_modules() if isinstance(m, nn.Linear) and "lora_" not in name]
    widths = {layer.in_features for layer in layers if layer is not head}
    if odd := sorted(width for width in widths if width % _BLOCK):
        raise RftlabError(
            f"quantization is 4bit, which on a CPU takes layers whose inputs {_BLOCK} divides, and model "
            f"{cell.model!r} has some of {odd[0]}; give quantization: 8bit, or a GPU"
        )


def load(quantization: str, path: str, device: torch.device, *, half: bool) -> tuple[Any, PreTrainedTokenizerBase]:
    """Model and tokenizer, the model's linear layers in so few bits, the rest in single precision.

    Args:
        quantization: 4bit or 8bit.
        path: as `load_checkpoint`.
        device: where the weights are to lie.
        half: whether the products of 4-bit weights are computed in bf16.

    Raises:
        RftlabError: as `load_checkpoint`.
    """
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it tells of every product what it rounds
    four = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
    four["bnb_4bit_compute_dtype"] = torch.bfloat16 if half else torch.float32
    bits = {"load_in_4bit": True, **four} if quantization == "4bit" else {"load_in_8bit": True}
    config = BitsAndBytesConfig(**bits)
    placed: dict[str, Any] = {"quantization_config": config, "device_map": {"": str(device)}}
    model, tokenizer = load_checkpoint(AutoModelForCausalLM, path, dtype=torch.float32, **placed)
    for module in model.modules():
        if hasattr(module, _PACKS):
            setattr(module, _PACKS, False)
    return prepare_model_for_kbit_training(model, use_gradient_checkpointing=False), tokenizer


def number_format(quantization: str, *, half: bool) -> str:
    """In words, as of a policy's weights and products."""
    products = "int8 and float16" if quantization == "8bit" else "bfloat16" if half else "float32"
    return f"linear layers in {_SAID[quantization]} by bitsandbytes, float32 else, products in {products}"


def count(weight: nn.Parameter) -> int:
    """Weights that a parameter holds, also where several are packed into a byte."""
    state = getattr(weight, "quant_state", None)
    return math.prod(state.shape) if state is not None else weight.numel()
