"""The table of proofs: kind, cases tried, held, what fell short, time."""

from typing import Any

from tests.bench.table import machine
from tests.proof.proof import Line

_SHOWN = 3


def ran_on(seed: int) -> dict[str, Any]:
    """What a line was proved on: machine, commit and seed."""
    about = machine()
    return {"commit": about.pop("commit"), "machine": about, "seed": seed}


def sentence(line: Line) -> str:
    """A line in words, each case that fell short on a line of its own."""
    if line.not_tried:
        return f"{line.name}: not tried: {line.not_tried}"
    said = f"{line.name}: {line.held} of {line.tried} held in {line.seconds:.0f} s"
    return "\n".join([said, *(f"  {case}: {short}" for case, short in line.short.items())])


def markdown(lines: dict[str, dict[str, Any]]) -> str:
    """Lines by name, as the program keeps them, as a Markdown table."""
    rows = [
        "| kind | what holds | tried | held | what fell short | time | commit |",
        "|---|---|--:|--:|---|--:|---|",
    ]
    for name, line in lines.items():
        short = [f"{case}: {what}" for case, what in line["short"].items()]
        told = "; ".join(short[:_SHOWN]) + (f"; and {len(short) - _SHOWN} more" if len(short) > _SHOWN else "")
        if line["not_tried"]:
            told = f"not tried: {line['not_tried']}"
        cells = [
            f"`{name}`", line["holds"], line["tried"], line["tried"] - len(short), told.replace("|", "\\|"),
            f"{line['seconds']:.0f} s", line["commit"],
        ]  # fmt: skip
        rows.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(rows)
