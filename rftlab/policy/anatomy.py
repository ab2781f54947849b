"""What a causal language model consists of and what a training pass of it keeps, as numbers; no torch.

`rftlab.policy.meta` counts them.
"""

from typing import NamedTuple


class Anatomy(NamedTuple):
    """Counts of a model with what is trained of it.

    Attributes:
        name: of the model.
        parameters: all weights of the base.
        bytes: of the base's weights in their number format.
        trained: weights that training changes: the adapter's, or all.
        adapter: of those, the adapter's; 0 with full fine-tuning.
        prepared: weights of linear layers, the output layer's among them, that sampling lays out once more.
        vocabulary: rows of the output layer.
        hidden: width of a hidden state.
        layers: of attention.
        cache: numbers that a token leaves in the cache, keys and values of all layers.
        saved: bytes that a token keeps for the backward pass, attention's own matrices left out.
        pairs: bytes that a pair of tokens keeps where attention is written out.
        widest: outputs of the widest linear layer, the output layer apart.
        context: tokens it has positions for; 0 where its configuration sets no limit.
        cast: bytes that a pass keeps for the backward pass whatever its tokens: weights rounded for it.
        rounds: whether products are of factors rounded to bf16 though the weights are in fp32, as on a CPU.
    """

    name: str
    parameters: int
    bytes: int
    trained: int
    adapter: int
    prepared: int
    vocabulary: int
    hidden: int
    layers: int
    cache: int
    saved: float
    pairs: float
    widest: int
    context: int
    cast: float = 0.0
    rounds: bool = False

    @property
    def number(self) -> float:
        """Bytes of one number that products are made of."""
        return 2.0 if self.rounds else self.bytes / self.parameters


# What grows with the number of layers.
_IN_LAYERS = ("parameters", "bytes", "trained", "adapter", "prepared", "layers", "cache", "saved", "pairs", "cast")


def with_layers(one: Anatomy, two: Anatomy, layers: int) -> Anatomy:
    """The anatomy of a model of so many layers, all alike, from those of the same model with one and with two.

    Nothing but what `Anatomy` adds up over layers grows, each by what the second layer adds.
    """
    grown = {name: getattr(one, name) + (layers - 1) * (getattr(two, name) - getattr(one, name)) for name in _IN_LAYERS}
    return two._replace(**grown)
