"""Keys and values of grown sequences: shared prompts give the attention of copied ones, whatever rows are dropped."""

import pytest
import torch
from torch import Tensor

from rftlab.policy.grown import Copied, Grown, Prompts, Shared

P, S, K, G, D, LAYERS = 3, 6, 2, 3, 8, 2
COPY_B = [0, 2, 1, 0, 0, 2, 0]


@pytest.fixture(params=[torch.float32, torch.bfloat16], ids=str)
def prompts(request: pytest.FixtureRequest) -> Prompts:
    """Three prompts of 6, 3 and 1 tokens, asked four times, once and twice, not in order."""
    torch.manual_seed(0)
    states = [(torch.randn(P, K, S, D).to(request.param), torch.randn(P, K, S, D).to(request.param)) for _ in range(2)]
    mask = torch.tensor([[1] * 6, [0, 0, 0, 1, 1, 1], [0] * 5 + [1]])
    return Prompts(states, mask, torch.tensor(COPY_B), room=8)


def by_hand(prompts: Prompts, history: list[tuple[Tensor, Tensor]], row: int, layer: int, q: Tensor) -> Tensor:
    """(K, G, D) in double precision, of one sequence, without padding."""
    copy = COPY_B[row]
    real = prompts.mask_P_S[copy] == 1
    keys, values = (x[copy][:, real].double() for x in prompts.states[layer])
    keys = torch.cat([keys, *(k[:, None].double() for k, _ in history)], 1)
    values = torch.cat([values, *(v[:, None].double() for _, v in history)], 1)
    return (q.double() @ keys.transpose(1, 2) * 0.3).softmax(-1) @ values


@pytest.mark.parametrize("kind", [Copied, Shared])
def test_attention_is_that_of_each_sequence_alone(kind: type, prompts: Prompts) -> None:
    dtype = prompts.states[0][0].dtype
    grown: Grown = kind(prompts)
    rows = list(range(len(COPY_B)))
    histories: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = {}
    for token in range(7):
        if token in (2, 4, 5):
            # First one of the most frequent prompt's goes, then all of another's, then all but one.
            kept = {2: [0, 1, 2, 4, 5, 6], 4: [0, 2, 3, 5], 5: [2]}[token]
            grown.keep(torch.tensor(kept))
            rows = [rows[i] for i in kept]
        for layer in range(LAYERS):
            q = torch.randn(len(rows), K, G, D).to(dtype)
            k, v = torch.randn(len(rows), K, D).to(dtype), torch.randn(len(rows), K, D).to(dtype)
            for i, row in enumerate(rows):
                histories.setdefault((row, layer), []).append((k[i], v[i]))
            found = grown.attend(layer, q, k, v, window=None, scale=0.3)
            assert found.dtype == dtype
            for i, row in enumerate(rows):
                expected = by_hand(prompts, histories[row, layer], row, layer, q[i])
                atol = 1e-5 if dtype == torch.float32 else 0.03
                torch.testing.assert_close(found[i].double(), expected, atol=atol, rtol=0)
        grown.advance()
    assert rows == [4]


def test_a_window_hides_all_but_the_last_tokens(prompts: Prompts) -> None:
    grown = Copied(prompts)
    q, k, v = torch.randn(7, K, G, D), torch.zeros(7, K, D), torch.full((7, K, D), 5.0)
    found = grown.attend(0, q.to(prompts.states[0][0].dtype), k, v, window=1, scale=0.3)
    torch.testing.assert_close(found.float(), torch.full((7, K, G, D), 5.0))
