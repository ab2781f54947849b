"""Tokens, FLOPs and seconds as they are spent: counted where tokens enter a model, summed over all processes of a cell.

Tokens are counted where they enter a model (`count_fed`). What is charged is therefore what was computed, padding and
the rows of a sampler's batch included.
"""

import contextlib
from collections.abc import Callable, Iterator

from rftlab.methods.cost import Cost
from rftlab.methods.fed import count_fed
from rftlab.methods.peers import Peers
from rftlab.policy.load import Policy


class Meter:
    """Charges a policy's cost until `close`.

    Attributes:
        cost: what is charged.
        uncharged_seconds: wall time inside `uncharged`.
        forward: FLOPs of a token's forward pass.
        backward: FLOPs of its backward pass.

    Args:
        policy: its sizes turn tokens into FLOPs.
        peers: the processes that train it together.
        clock: seconds, monotonic.
        before_trained: called before a pass whose gradient is taken is counted.
    """

    def __init__(
        self, policy: Policy, peers: Peers, clock: Callable[[], float], before_trained: Callable[[], None]
    ) -> None:
        self.cost, self.uncharged_seconds = Cost(), 0.0
        self.forward = 2.0 * policy.parameters
        self.backward = 2.0 * policy.parameters + 2.0 * policy.trained_parameters
        self._peers, self._clock, self._before_trained = peers, clock, before_trained
        # What has been fed, forwards only and to be trained on, and the seconds, since processes last told each other.
        self._fed, self._elapsed = [0, 0], 0.0
        self._counting, self._resumed_at = True, clock()
        self._hooks = [count_fed(policy, self._add)]

    def settle(self) -> None:
        """Charge the seconds up to now; of several processes they are charged by `share`."""
        if self._counting:
            now = self._clock()
            self._elapsed += now - self._resumed_at
            self._resumed_at = now
        if self._peers.alone:
            self.cost.seconds, self._elapsed = self.cost.seconds + self._elapsed, 0.0

    def share(self) -> None:
        """Of several processes: charge what all have fed, and the first one's seconds, since this was last called."""
        if self._peers.alone:
            return
        self.settle()
        forward, trained, elapsed = zip(*self._peers.all((*self._fed, self._elapsed)), strict=True)
        self._charge(sum(forward), sum(trained))
        self.cost.seconds, self._elapsed = self.cost.seconds + elapsed[0], 0.0

    def skip(self) -> None:
        """Leave out the time since the last `settle`."""
        self._resumed_at = self._clock()

    @contextlib.contextmanager
    def uncharged(self) -> Iterator[None]:
        """What is computed inside is not part of the cost."""
        self.settle()
        counting, self._counting = self._counting, False
        began = self._clock()
        try:
            yield
        finally:
            self._counting, self._resumed_at = counting, self._clock()
            self.uncharged_seconds += self._resumed_at - began

    def close(self) -> None:
        """Charge nothing from now on."""
        self.settle()
        self._counting = False
        for hook in self._hooks:
            hook.remove()

    def beside(self, teacher: Policy) -> None:
        """Count from now on what is fed to a teacher too, by its own size; it is never trained."""
        each = 2.0 * teacher.parameters
        self._hooks.append(count_fed(teacher, lambda tokens, _: self.cost.taught(each * tokens * self._counting)))

    def _add(self, tokens: int, trained: bool) -> None:
        if not self._counting:
            return
        if trained:
            self._before_trained()
        self._fed[trained] += tokens
        if self._peers.alone:
            self._charge(*self._fed)

    def _charge(self, forward: int, trained: int) -> None:
        self.cost.tokens_trained += trained
        self.cost.flops += self.forward * forward + (self.forward + self.backward) * trained
        self._fed = [0, 0]
