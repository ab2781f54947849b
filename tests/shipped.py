"""What is said of the shipped studies, made from their archives: `python -m tests.shipped` writes it in its place."""

from collections.abc import Sequence
from pathlib import Path

from rftlab.answer.card import Answer, answer
from rftlab.answer.decisions import Decisions, Level
from rftlab.answer.folder import study_of
from rftlab.answer.ledger import Ledger, ledger_of
from rftlab.answer.ledger.book import points
from rftlab.answer.ledger.rows import Row
from rftlab.plots.names import title
from tests.common.blocks import Block

ROOT = Path(__file__).parent.parent
SHIPPED = ROOT / "results" / "shipped"
ARCHIVE, ANSWERS = SHIPPED / "reference.tar.xz", SHIPPED / "answers.tar.xz"
REAL, NO_START = SHIPPED / "smollm2_study.tar.xz", SHIPPED / "smollm2_no_start.tar.xz"
README, ABOUT = ROOT / "README.md", SHIPPED / "README.md"


def _whole(archive: Path) -> str:
    """Card with its numbers, hero figure and ledger of a study, as Markdown."""
    card = answer(*study_of(archive))
    figure = "![Accuracy against labels on three tasks: base, SFT, GRPO and hybrids](results/shipped/reference.png)"
    return f"{_card(card)}\n\n{_numbers(card)}\n\n{figure}\n\n{_ledger(ledger_of(archive))}\n"


def _in_short(archive: Path) -> str:
    """Card and table of a study's arms."""
    study, decisions = study_of(archive)
    return f"{_card(answer(study, decisions))}\n\n{_arms(decisions)}\n"


def _beside(archive: Path) -> str:
    """What the card of `_in_short` rests on, the frontier of cost, and the claims that were tested."""
    study, decisions = study_of(archive)
    ledger = _ledger(ledger_of(archive), tested=True)
    return f"{_numbers(answer(study, decisions))}\n\n{_frontier(decisions)}\n\n{ledger}\n"


def _whole_in_short(archive: Path) -> str:
    """Both of `_in_short` and `_beside`."""
    return f"{_in_short(archive)}\n{_beside(archive)}"


def _card(card: Answer) -> str:
    return f"> **{card.headline}**\n>\n> {card.limits} *Next:* {card.next_step}"


def _numbers(card: Answer) -> str:
    reasons = "\n\n".join(card.reasons)
    return f"<details><summary>The numbers it rests on</summary>\n\n{reasons}\n\n</details>"


def _arms(decisions: Decisions) -> str:
    """Accuracy by arm and label budget, mean and interval in per cent; FLOPs of training, and of what came before."""
    [panel] = decisions.panels
    budgets = [place.labels for place in decisions.budgets(panel)]
    arms: dict[str, dict[int, Level]] = {}
    for level in decisions.levels:
        if level.measure == decisions.decides:
            arms.setdefault(level.arm, {})[level.place.labels] = level
    prefix, unit = _unit(decisions.levels)
    columns = [*(f"{labels} labels" for labels in budgets), f"{prefix}FLOPs of training or search", "and before"]
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "---|" * len(budgets) + "--:|--:|"]
    for arm, by_labels in sorted(arms.items(), key=lambda each: -max(lv.mean.estimate for lv in each[1].values())):
        untrained = by_labels.get(0)
        cells = [_percent(untrained or by_labels.get(labels)) for labels in budgets]
        teacher = max(level.teacher_labels for level in by_labels.values())
        name = title(arm) + (f", teacher of {teacher:.0f} labels" if teacher else "")
        spent = _span([level.flops / unit for level in by_labels.values()])
        before = _span([(level.spent - level.flops) / unit for level in by_labels.values()])
        lines.append(f"| {name} | {' | '.join(cells)} | {spent} | {before} |")
    return "\n".join(lines)


def _percent(level: Level | None) -> str:
    if level is None:
        return ""
    mean = level.mean
    return f"{100 * mean.estimate:.0f} [{100 * mean.low:.0f}, {100 * mean.high:.0f}]"


def _unit(levels: Sequence[Level]) -> tuple[str, float]:
    """Prefix and size of the unit in which what some levels took is read."""
    return ("G", 1e9) if max(level.flops for level in levels) < 1e13 else ("T", 1e12)


def _span(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.0f}" if f"{low:.0f}" == f"{high:.0f}" else f"{low:.0f} to {high:.0f}"


def _frontier(decisions: Decisions) -> str:
    """At each label budget the arms that none beats in both FLOPs and mean accuracy, from cheap to dear."""
    [panel] = decisions.panels
    prefix, unit = _unit(decisions.levels)
    lines = []
    for place in decisions.budgets(panel):
        levels = [level for arm in decisions.arms(place) if (level := decisions.level(place, arm))]
        best, steps = -1.0, []
        for level in sorted(levels, key=lambda each: (each.spent, -each.mean.estimate)):
            if level.mean.estimate > best:
                best = level.mean.estimate
                steps.append(f"{title(level.arm)} ({100 * best:.0f} %, {level.spent / unit:.0f} {prefix}FLOPs)")
        lines.append(f"- At {place.labels} labels: {', then '.join(steps)}.")
    return "\n".join(lines)


def _ledger(ledger: Ledger, *, tested: bool = False) -> str:
    tasks = sorted({row.panel.task for row in ledger.rows if row.panel and row.status != "not tested"})
    lines = [
        "| | claim | " + " | ".join(task.rpartition("/")[2] for task in tasks) + " |",
        "|--:|---|" + "---|" * len(tasks),
    ]
    for number in dict.fromkeys(row.claim.number for row in ledger.rows):
        rows = ledger.claim(number)
        by_task = {task: [row for row in rows if row.panel and row.panel.task == task] for task in tasks}
        told = [_told(by_task[task]) for task in tasks]
        if not tested or {*told} != {_UNTESTED}:
            lines.append(f"| {number} | {rows[0].claim.text} | {' | '.join(told)} |")
    return "\n".join(lines)


_UNTESTED = "not tested"


def _told(rows: list[Row]) -> str:
    """The first row of a task, with chain-of-thought where it was asked for it; the page has its other parts."""
    found = sorted((row for row in rows if row.status != "not tested"), key=lambda row: row.prompt == "direct")
    if not found:
        return _UNTESTED
    row = found[0]
    unmet = " \\*" * bool(row.failed)
    return f"**{row.status}**{unmet}<br>{points(row)}"


BLOCKS = (
    Block("reference", README, ARCHIVE, _whole),
    Block("answers", README, ANSWERS, _in_short),
    Block("answers-numbers", ABOUT, ANSWERS, _beside),
    Block("smollm2-study", README, REAL, _in_short),
    Block("smollm2-study-numbers", ABOUT, REAL, _beside),
    Block("smollm2-no-start", ABOUT, NO_START, _whole_in_short),
)

if __name__ == "__main__":
    for block in BLOCKS:
        block.write()
