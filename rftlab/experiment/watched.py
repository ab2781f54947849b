"""What goes through a policy while a method trains it, seen from outside: counts, rows, gradients, updates.

Nothing here knows the method. Tokens are counted at the first layer's first product, apart from the monitor, which
counts at the input embedding; gradients are read behind the last norm, from which every loss takes its logits, fused
heads too; updates where any of torch's optimisers steps. Copies that a method makes of the policy carry the hooks
along.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

from torch import Tensor, nn
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook

from rftlab.policy.load import Policy
from rftlab.tasks.base import Example
from rftlab.verifiers.base import Gold, Score, Verifier

# Rows kept: enough to hold every prompt of a small training several times.
_MAX_ROWS = 20_000


class Counts:
    """Tokens that went forward, backward, and backward a second time (a Hessian or Fisher product).

    Attributes:
        forward: tokens of every forward pass.
        backward: tokens a first backward pass went through.
        again: tokens a second one did.
    """

    def __init__(self, policy: Policy) -> None:
        self.forward = self.backward = self.again = 0
        self.hook = _base(policy).model.layers[0].self_attn.k_proj.register_forward_hook(self._hook())

    def _hook(self) -> Callable[[Any, Any, Tensor], None]:
        # A function, not a method: a copy of the policy then counts here, and not in a copy of the counts.
        def passed(_: Any, __: Any, out: Tensor) -> None:
            tokens, seen = out.numel() // out.shape[-1], [0]
            self.forward += tokens

            def back(_: Tensor) -> None:
                self.backward, self.again = self.backward + tokens * (not seen[0]), self.again + tokens * seen[0]
                seen[0] = 1

            if out.requires_grad:
                out.register_hook(back)

        return passed

    def flops(self, policy: Policy) -> float:
        """What these tokens cost by the documented formula (docs/metrics.md)."""
        back = 2.0 * policy.parameters + 2.0 * policy.trained_parameters
        return 2.0 * policy.parameters * self.forward + back * (self.backward + 3 * self.again)


class Watch:
    """Watches one policy from now to the end of its `with` block.

    Attributes:
        counts: tokens through the policy.
        updates: steps of optimisers that hold a trained weight of the policy.
        rows: token ids of sequences fed to it, those of single tokens left out.
        unmasked: whether a row with padding before it was fed without its padding masked.
        gradients: token ids of a row, and for each position the largest gradient of the loss with respect to what its
            logits are made from; and whether the row goes on from keys and values of tokens that were fed before it.

    Args:
        policy: what is watched.
        pad_id: the token that fills rows up.
    """

    def __init__(self, policy: Policy, pad_id: int) -> None:
        self.counts, self.updates, self.unmasked = Counts(policy), 0, False
        self.rows: set[tuple[int, ...]] = set()
        self.gradients: list[tuple[list[int], list[float], bool]] = []
        self._pad_id, self._ids = pad_id, list[list[int]]()
        self._goes_on = False
        self._trained = {id(p) for p in policy.model.parameters() if p.requires_grad}
        base = _base(policy)
        self._hooks: list[Any] = [
            self.counts.hook,
            policy.model.get_input_embeddings().register_forward_pre_hook(self._fed()),
            # PEFT calls the whole model's `forward` itself, past its hooks; the decoder below is called.
            base.model.register_forward_pre_hook(self._asked(), with_kwargs=True),
            base.model.norm.register_forward_hook(self._answered()),
            register_optimizer_step_post_hook(self._stepped),
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _stepped(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        self.updates += bool(held & self._trained)

    def _fed(self) -> Callable[..., None]:
        def fed(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            self._ids = inputs[0].tolist() if inputs[0].dim() == 2 else []
            if self._ids and len(self._ids[0]) > 1 and len(self.rows) < _MAX_ROWS:
                self.rows |= {tuple(row[self.padding(row) :]) for row in self._ids}

        return fed

    def _asked(self) -> Callable[..., None]:
        def asked(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            ids, past = kwargs.get("input_ids", args[0] if args else None), kwargs.get("past_key_values")
            self._goes_on = past is not None and past.get_seq_length() > 0
            if not isinstance(ids, Tensor) or ids.dim() != 2 or ids.shape[1] < 2:
                return
            mask = kwargs.get("attention_mask", args[1] if len(args) > 1 else None)
            for i, row in enumerate(ids.tolist()):
                before = self.padding(row)
                masked = isinstance(mask, Tensor) and mask.dim() == 2 and not bool(mask[i, :before].any())
                self.unmasked |= 0 < before < len(row) and not masked

        return asked

    def _answered(self) -> Callable[..., None]:
        def answered(_: nn.Module, __: Any, hidden: Tensor) -> None:
            ids, goes_on = self._ids, [self._goes_on] * len(self._ids)
            if hidden.requires_grad and hidden.shape[:2] == (len(ids), len(ids[0]) if ids else 0):
                hidden.register_hook(
                    lambda gradient: self.gradients.extend(
                        zip(ids, gradient.abs().amax(-1).tolist(), goes_on, strict=True)
                    )
                )

        return answered

    def padding(self, row: Sequence[int]) -> int:
        """Tokens of padding before a row."""
        return next((i for i, token in enumerate(row) if token != self._pad_id), len(row))


class CountedVerifier(Verifier):
    """A verifier that counts what it is asked.

    Attributes:
        calls: completions scored.
        examples: ids of the examples they were scored against.
    """

    def __init__(self, verifier: Verifier) -> None:
        super().__init__()
        self._verifier, self.calls, self.examples = verifier, 0, set[str]()

    def score(self, completions: Sequence[str], examples: Sequence[Gold]) -> list[Score]:
        """Scores of the verifier."""
        self.calls += len(completions)
        self.examples |= {str(getattr(example, "id", "")) for example in examples}
        return self._verifier.score(completions, examples)


def prompts_of(policy: Policy, examples: Iterable[Example], *, cot: bool) -> list[tuple[int, ...]]:
    """Token ids of the prompts of examples, as every method and the evaluation put them."""
    return [tuple(policy.encode_prompt(policy.prompt_text(example, cot=cot))) for example in examples]


def _base(policy: Policy) -> Any:
    return policy.model.get_base_model() if hasattr(policy.model, "get_base_model") else policy.model
