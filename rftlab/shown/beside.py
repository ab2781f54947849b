"""Answers of several policies to the same items beside each other: whole, wrapped, right and wrong marked."""

import html
from collections.abc import Sequence
from typing import NamedTuple

from rftlab.shown.tables import TextTable

_WRAPPED = "white-space: pre-wrap; overflow-wrap: anywhere; text-align: left; vertical-align: top"
_COLOURS = {True: "#00744f", False: "#b84a00"}


class Answered(NamedTuple):
    """What one policy says to an item.

    Attributes:
        completion: its text.
        reward: the verifier's, in [0, 1].
        right: whether that is full marks.
    """

    completion: str
    reward: float
    right: bool

    @property
    def mark(self) -> str:
        """`✓ right` or `✗ wrong`, with the reward where it is neither 0 nor 1."""
        between = f", reward {self.reward:.2g}" if 0 < self.reward < 1 else ""
        return ("✓ right" if self.right else "✗ wrong") + between


class Item(NamedTuple):
    """One item, and what each policy says to it.

    Attributes:
        prompt: the whole text put to all of them.
        answer: the gold answer; "" if there is none.
        said: one a policy.
    """

    prompt: str
    answer: str
    said: tuple[Answered, ...]


class Beside:
    """Items with the answers of several policies.

    Args:
        policies: what they are called, such as base and tuned.
        items: each with one answer a policy.
    """

    def __init__(self, policies: Sequence[str], items: Sequence[Item]) -> None:
        self.policies, self.items = list(policies), list(items)

    @property
    def table(self) -> TextTable:
        """One row an item: prompt, answer, and of each policy its completion, reward and whether it is right."""
        rows = []
        for item in self.items:
            row: dict[str, object] = {"prompt": item.prompt, "answer": item.answer}
            for name, said in zip(self.policies, item.said, strict=True):
                row |= {name: said.completion, f"{name} reward": said.reward, f"{name} right": said.right}
            rows.append(row)
        return TextTable(rows)

    def __str__(self) -> str:
        """How many of the items each policy has right."""
        counts = [sum(item.said[i].right for item in self.items) for i in range(len(self.policies))]
        said = ", ".join(f"{name} {count}" for name, count in zip(self.policies, counts, strict=True))
        return f"Right of these {len(self.items)}: {said}."

    def __repr__(self) -> str:
        lines = [str(self)]
        for item in self.items:
            lines += ["", item.prompt.strip(), *([f"answer: {item.answer}"] if item.answer else [])]
            lines += [f"{n} ({s.mark}): {s.completion.strip()}" for n, s in zip(self.policies, item.said, strict=True)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        width = 100 / max(1, len(self.policies))
        head = "".join(f"<th style='text-align: left; width: {width:.0f}%'>{_text(n)}</th>" for n in self.policies)
        rows = "".join(_rows(item) for item in self.items)
        table = f"<table style='width: 100%; table-layout: fixed'><thead><tr>{head}</tr></thead>{rows}</table>"
        return f"<div><p>{_text(str(self))}</p>{table}</div>"


def _rows(item: Item) -> str:
    answer = f"<div style='opacity: 0.75'>answer: {_text(item.answer)}</div>" if item.answer else ""
    prompt = f"<td colspan='{len(item.said)}' style='{_WRAPPED}'><div>{_text(item.prompt.strip())}</div>{answer}</td>"
    said = "".join(
        f"<td style='{_WRAPPED}; border-left: 3px solid {_COLOURS[each.right]}'>"
        f"<b style='color: {_COLOURS[each.right]}'>{each.mark}</b>\n{_text(each.completion.strip())}</td>"
        for each in item.said
    )
    return f"<tbody style='border-top: 1px solid #9aa3ad'><tr>{prompt}</tr><tr>{said}</tr></tbody>"


def _text(text: str) -> str:
    return html.escape(text)
