"""Labelling preference pairs by hand: which of two completions is better; by buttons or keys, saved at each choice.

The file is the one DPO and RLHF read (`rftlab.tasks.pairs`). It is rewritten atomically after each choice, so that a
closed browser or a killed kernel loses nothing, and a pair in it is not shown again. Which completion stands first is
drawn by chance, because people prefer the first.
"""

import html
import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import ipywidgets

from rftlab.interactive.texts import preformatted
from rftlab.tasks.pairs import Pair, read_pairs, write_pairs

if TYPE_CHECKING:
    from rftlab.experiment import Experiment

# (prompt, one completion, another)
Candidate = tuple[str, str, str]


class PairQueue:
    """Candidates still to be judged, and the pairs made of those that were.

    Args:
        candidates: two different completions per entry.
        path: the pairs file; what it holds already is kept and not asked again.
        seed: of the order in which the two completions are shown.

    Raises:
        RftlabError: the file exists and is not a pairs file.
    """

    ties = False

    def __init__(self, candidates: Sequence[Candidate], path: str | Path, *, seed: int = 0) -> None:
        self.path = Path(path).expanduser()
        self.pairs: list[Pair] = read_pairs(self.path) if self.path.exists() else []
        judged = {_key(pair.prompt, pair.chosen, pair.rejected) for pair in self.pairs}
        chance = random.Random(f"label-pairs-{seed}")
        shuffled = [(p, b, a) if chance.random() < 0.5 else (p, a, b) for p, a, b in candidates]
        self.waiting = [candidate for candidate in shuffled if _key(*candidate) not in judged]
        self._made: list[Candidate] = []

    @property
    def done(self) -> int:
        """How many pairs the file holds."""
        return len(self.pairs)

    @property
    def current(self) -> Candidate | None:
        """The candidate to be judged now; None when all are."""
        return self.waiting[0] if self.waiting else None

    def choose(self, which: int) -> None:
        """Prefer the first (0) or the second (1) completion of the current candidate, and save."""
        candidate = self.waiting.pop(0)
        prompt, completions = candidate[0], candidate[1:]
        self.pairs.append(Pair(prompt, completions[which], completions[1 - which]))
        self._made.append(candidate)
        write_pairs(self.path, self.pairs)

    def skip(self) -> None:
        """Put the current candidate last; nothing is saved."""
        self.waiting.append(self.waiting.pop(0))

    def undo(self) -> None:
        """Take the last choice of this sitting back, and save; nothing if there is none."""
        if self._made:
            self.pairs.pop()
            self.waiting.insert(0, self._made.pop())
            write_pairs(self.path, self.pairs)


def candidates(experiment: "Experiment", n: int) -> list[Candidate]:
    """Up to ``n`` pairs of different completions of labelled prompts by the experiment's policy, reproducibly.

    Args:
        experiment: its labels, policy, decoding and `seed_sampling`.
        n: how many; prompts are gone through several times if there are fewer.
    """
    import torch

    from rftlab.policy.rollout import sample

    cell, policy = experiment.capped, experiment.policy
    asked = [experiment.labels.train[i % len(experiment.labels.train)] for i in range(2 * n) for _ in range(2)]
    rollouts = sample(
        policy,
        [policy.encode_prompt(policy.prompt_text(example, cot=cell.cot)) for example in asked],
        max_new_tokens=cell.decoding.max_new_tokens if cell.cot else cell.decoding.max_new_tokens_direct,
        generator=torch.Generator(policy.device).manual_seed(cell.seed_sampling),
        temperature=cell.decoding.temperature,
        top_p=cell.decoding.top_p,
    )
    texts = [policy.decode(rollout.completion_ids, cot=cell.cot) for rollout in rollouts]
    found: dict[object, Candidate] = {}
    for example, first, second in zip(asked[::2], texts[::2], texts[1::2], strict=True):
        if first != second:
            found.setdefault(_key(example.prompt, first, second), (example.prompt, first, second))
    return list(found.values())[:n]


class Queue(Protocol):
    """What the widget shows: pairs to label (`PairQueue`), or completions to judge (`judge_pairs.JudgeQueue`)."""

    ties: bool
    path: Path

    @property
    def current(self) -> Candidate | None:
        """The candidate now; None when all are done."""
        ...

    @property
    def waiting(self) -> Sequence[Any]:
        """Those still to come."""
        ...

    @property
    def done(self) -> int:
        """How many are done."""
        ...

    def choose(self, which: int) -> None:
        """Prefer the first (0), the second (1), or, where there are ties, neither (2)."""
        ...

    def skip(self) -> None:
        """Put the current one last."""
        ...

    def undo(self) -> None:
        """Take the last choice back."""
        ...


def label_widget(queue: Queue) -> ipywidgets.VBox:
    """Prompt, two completions side by side, and how to choose: buttons, or keys 1, 2, s, u in the small field.

    Where neither may be better, also t for a tie.
    """
    prompt, first, second, state = (ipywidgets.HTML() for _ in range(4))
    actions = {"1": lambda: queue.choose(0), "2": lambda: queue.choose(1), "s": queue.skip, "u": queue.undo}
    names = {"1": "1: first is better", "2": "2: second is better", "s": "s: skip", "u": "u: undo"}
    if queue.ties:
        actions["t"], names["t"] = lambda: queue.choose(2), "t: neither is better"
    choices = [key for key in names if key != "u"]
    buttons = {key: ipywidgets.Button(description=name) for key, name in names.items()}
    keys = ipywidgets.Text(placeholder=f"click here, then {', '.join(choices)} or u", continuous_update=True)

    def show() -> None:
        current = queue.current
        shown = current or ("All pairs are labelled.", "", "")
        for view, text in zip((prompt, first, second), shown, strict=True):
            view.value = preformatted(text)
        state.value = f"{queue.done} labelled, {len(queue.waiting)} to go; saved in {html.escape(str(queue.path))}"
        for key in choices:
            buttons[key].disabled = current is None

    def act(key: str) -> None:
        if key == "u" or (key in actions and queue.current is not None):
            actions[key]()
            show()

    def typed(change: Any) -> None:
        if change["new"]:
            keys.value = ""
            act(change["new"][-1].lower())

    for key, button in buttons.items():
        button.on_click(lambda _, key=key: act(key))
    keys.observe(typed, names="value")
    show()
    half = ipywidgets.Layout(width="50%", border="1px solid #bbb", padding="4px")
    first.layout = second.layout = half
    row = ipywidgets.HBox([first, second])
    return ipywidgets.VBox([prompt, row, ipywidgets.HBox([*buttons.values(), keys]), state])


def label_by_verifier(queue: PairQueue, experiment: "Experiment", *, noise_rate: float) -> int:
    """Let the verifier choose instead of a person, wrongly with probability ``noise_rate``; how many it could decide.

    Candidates it scores alike are left waiting.
    """
    chance = random.Random(f"noise-{experiment.cell.seed_data}")
    examples = {example.prompt: example for example in experiment.labels.train}
    decided = 0
    for prompt, first, second in list(queue.waiting):
        example = examples[prompt]
        a, b = (score.reward for score in experiment.verifier.score([first, second], [example, example]))
        if a == b:
            queue.skip()
            continue
        queue.choose(int((b > a) != (chance.random() < noise_rate)))
        decided += 1
    return decided


def _key(prompt: str, one: str, other: str) -> tuple[str, frozenset[str]]:
    return prompt, frozenset((one, other))
