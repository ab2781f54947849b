"""What the README says of the shipped study, made from its archive: `python -m tests.shipped` writes it there."""

import re
from pathlib import Path

from rftlab.answer.card import Answer, answer
from rftlab.answer.folder import study_of
from rftlab.answer.ledger import Ledger, ledger_of
from rftlab.answer.ledger.book import points
from rftlab.answer.ledger.rows import Row

ROOT = Path(__file__).parent.parent
ARCHIVE = ROOT / "results" / "shipped" / "reference.tar.xz"
README = ROOT / "README.md"
BLOCK = re.compile(r"(?<=<!-- reference -->\n).*(?=<!-- /reference -->)", re.DOTALL)


def block(archive: Path = ARCHIVE) -> str:
    """Card, hero figure and ledger of a study, as Markdown."""
    return f"{_card(answer(*study_of(archive)))}\n\n{_FIGURE}\n\n{_ledger(ledger_of(archive))}\n"


def _card(card: Answer) -> str:
    reasons = "\n\n".join(card.reasons)
    return (
        f"> **{card.headline}**\n>\n> {card.limits} *Next:* {card.next_step}\n\n"
        f"<details><summary>The numbers it rests on</summary>\n\n{reasons}\n\n</details>"
    )


_FIGURE = "![Accuracy against labels on three tasks: base, SFT, GRPO and hybrids](results/shipped/reference.png)"


def _ledger(ledger: Ledger) -> str:
    tasks = sorted({row.panel.task for row in ledger.rows if row.panel and row.status != "not tested"})
    lines = [
        "| | claim | " + " | ".join(task.rpartition("/")[2] for task in tasks) + " |",
        "|--:|---|" + "---|" * len(tasks),
    ]
    for number in dict.fromkeys(row.claim.number for row in ledger.rows):
        rows = ledger.claim(number)
        tested = {task: [row for row in rows if row.panel and row.panel.task == task] for task in tasks}
        told = [_told(tested[task]) for task in tasks]
        lines.append(f"| {number} | {rows[0].claim.text} | {' | '.join(told)} |")
    return "\n".join(lines)


def _told(rows: list[Row]) -> str:
    """The first row of a task with chain-of-thought; the page has its other parts."""
    found = [row for row in rows if row.status != "not tested" and row.prompt != "direct"]
    if not found:
        return "not tested"
    row = found[0]
    unmet = " \\*" * bool(row.failed)
    return f"**{row.status}**{unmet}<br>{points(row)}"


if __name__ == "__main__":
    README.write_text(BLOCK.sub(lambda _: block(), README.read_text()))
