"""Products of SmolLM2's linear layers alone, as sampling asks them: weights as they are, and laid out once for oneDNN.

Every linear layer once a token, the output layer included; all cores. As they are is what `torch.nn.functional.linear`
makes of a weight of that number format; laid out is `rftlab.policy.products.linear_function`.
"""

import functools
from collections.abc import Sequence

import torch
from torch import nn
from transformers import AutoModelForCausalLM

from rftlab.execute.kernels import cores
from rftlab.policy.products import Product, linear_function
from tests.bench.measure import SMOLLM2, Row, note, ratios, row, seconds, take_turns

ROWS = (16, 64, 256)


def run(quick: bool = False) -> dict[str, Row]:
    """Five rounds of all sizes (one of the smallest if quick); no rows without SmolLM2."""
    if not SMOLLM2.is_dir():
        note(f"{SMOLLM2} is not there: no rows; get it with `rftlab fetch smollm2`")
        return {}
    torch.set_num_threads(cores())
    model = AutoModelForCausalLM.from_pretrained(SMOLLM2, dtype=torch.float32)
    rows: dict[str, Row] = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        weights = [layer.weight.detach().to(dtype) for layer in model.modules() if isinstance(layer, nn.Linear)]
        plain: list[Product] = [functools.partial(nn.functional.linear, weight=weight) for weight in weights]
        laid_out = [linear_function(weight, None) for weight in weights]
        for size in ROWS[: 1 if quick else None]:
            inputs = [torch.rand(size, weight.shape[1]).to(dtype) for weight in weights]
            arms = {
                "laid_out": functools.partial(_tokens_a_second, laid_out, inputs),
                "as_they_are": functools.partial(_tokens_a_second, plain, inputs),
            }
            took = take_turns(1 if quick else 5, arms)
            key = f"products.smollm2.{name}.{size}_rows"
            rows[key] = ratios(took["laid_out"], took["as_they_are"])
            rows |= {f"{key}.{arm}": row(values, "tokens/s") for arm, values in took.items()}
    return rows


@torch.no_grad()
def _tokens_a_second(products: Sequence[Product], inputs: Sequence[torch.Tensor]) -> float:
    def once() -> None:
        for product, x in zip(products, inputs, strict=True):
            product(x)

    once()
    return 4 * len(inputs[0]) / seconds(lambda: [once() for _ in range(4)])
