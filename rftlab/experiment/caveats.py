"""What the reader of a run's figures has to know: sentences for its record, and short ones while it trains.

Every sentence begins with what was counted and ends with what to do. None of them changes a number.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rftlab.cell import Cell
from rftlab.errors import one_line
from rftlab.policy import teachers
from rftlab.policy.caps import given, parameter
from rftlab.registry import METHODS, find

# Completions scored before the live line speaks of their rewards: earlier it may be chance.
_ENOUGH = 32
# Shares of completions cut from which it is said: of greedy ones, of those sampled in training, some of which ramble,
# and of the latter where it may be why nothing was rewarded.
_CUT, _CUT_IN_TRAINING, _EXPLAINS = 0.01, 0.05, 0.1
_TINY_BASE = "tiny base: what tuning sharpens was built in on purpose; no evidence about large models"
_SFT_FIRST = "SFT first (sft+grpo), "
_MORE_REWARD = "easier prompts, a reward that pays for parts of an answer, or a look at the verifier (rftlab check)"


def so_far(cost: Mapping[str, float]) -> str:
    """What is wrong with the rewards of a run that still trains, in few words; "" if nothing is.

    Args:
        cost: the counts of `rftlab.methods.base.Cost` up to now.
    """
    scored, groups = cost["verifier_calls"], cost["groups"]
    if scored < _ENOUGH:
        return ""
    if not cost["completions_rewarded"]:
        return f"0 of {scored} completions rewarded"
    return f"all {groups} groups alike" if groups > 1 and cost["groups_alike"] == groups else ""


def of_run(
    cell: Cell,
    *,
    metrics: Mapping[str, float | None],
    cost: Mapping[str, Any],
    tuning: Sequence[Mapping[str, Any]],
    samples: Sequence[Mapping[str, Any]],
    taught_by: Sequence[str] = (),
) -> list[str]:
    """Sentences for the record of a finished run.

    Args:
        cell: what was run.
        metrics: what was measured on the policy.
        cost: what training spent, and what it was rewarded for.
        tuning: its learning-rate trials.
        samples: the completions that were evaluated.
        taught_by: what it learnt from beside the verifier's rewards, such as "its labels".
    """
    found = [
        *_no_step(cell, cost),
        *_signal(cell, cost, taught_by),
        *_rate(tuning),
        *_choice(tuning),
        *_cut(cell, metrics, cost),
        *_verifier(samples),
        *_divergence(cell, metrics),
        *_taught(cell, cost),
    ]
    return [*found, _TINY_BASE] if cell.model == "tiny-base" else found


def _no_step(cell: Cell, cost: Mapping[str, Any]) -> Iterator[str]:
    if find(METHODS, cell.method, "method")[0].trains and not cost["optimizer_steps"]:
        yield f"no step was taken: this is {'the policy it started from' if cell.start_from else 'the untrained base'}"


def _signal(cell: Cell, cost: Mapping[str, Any], taught_by: Sequence[str]) -> Iterator[str]:
    scored, rewarded, groups, alike = (
        cost[name] for name in ("verifier_calls", "completions_rewarded", "groups", "groups_alike")
    )
    if not scored:
        return
    counted = f"{rewarded} of {scored} completions were rewarded"
    there_was = f"beyond {' and '.join(taught_by)} there was" if taught_by else "there was"
    if rewarded < 0.01 * scored:
        much = "hardly anything" if rewarded else "nothing"
        first = _SFT_FIRST * (not taught_by)
        if _share_cut(cost) > _EXPLAINS:
            counted += f", {_share_cut(cost):.0%} of those sampled were cut"
            first = f"a higher {parameter(cot=cell.cot)}, "
        yield f"{counted}: {there_was} {much} to learn from; what helps is {first}{_MORE_REWARD}"
    elif groups and alike == groups:
        solved = rewarded == scored
        advice = "harder prompts or a finer reward" if solved else "a higher temperature or num_generations"
        yield (
            f"all {groups} groups had equal rewards ({counted}): {there_was} nothing to learn from, no completion of a "
            f"prompt was better than another; what helps is {advice}"
        )


def _choice(tuning: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    tried = [trial for trial in tuning if "settings" in trial]
    level = {trial["validation_accuracy"] for trial in tried}
    if len(tried) > 1 and len(level) == 1:
        yield (
            f"all {len(tried)} settings tried on {tried[0]['validation_items']} labels were right equally often "
            f"({level.pop():.0%}): the first was taken, and which is best is not known"
        )


def _rate(tuning: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    tuning = [trial for trial in tuning if "learning_rate" in trial]
    rates = [trial["learning_rate"] for trial in tuning]
    chosen = next((trial["learning_rate"] for trial in tuning if trial.get("chosen")), None)
    if chosen is None or len(set(rates)) < 2:
        return
    accuracies = {trial["validation_accuracy"] for trial in tuning}
    if len(accuracies) == 1:
        yield (
            f"all {len(rates)} learning rates tried reached the same validation accuracy ({accuracies.pop():.0%}): the "
            f"first was taken ({chosen:g}), and which is best is not known"
        )
    elif chosen in (min(rates), max(rates)):
        end = "highest" if chosen == max(rates) else "lowest"
        yield (
            f"the {end} of {len(rates)} learning rates tried was chosen ({chosen:g}): the best one may lie beyond; "
            "widen tuning.learning_rates"
        )


def _share_cut(cost: Mapping[str, Any]) -> float:
    return float(cost["completions_cut"] / cost["completions"]) if cost["completions"] else 0.0


def _cut(cell: Cell, metrics: Mapping[str, float | None], cost: Mapping[str, Any]) -> Iterator[str]:
    greedy, sampled = metrics.get("truncation_rate") or 0.0, _share_cut(cost)
    for share, what, cot, enough in (
        (greedy, "greedy completions", cell.cot_eval, _CUT),
        (sampled, "completions sampled in training", cell.cot, _CUT_IN_TRAINING),
    ):
        if share > enough:
            yield (
                f"{share:.0%} of {what} were cut by the cap of {given(cell, cot=cot)} tokens; "
                f"raise {parameter(cot=cot)}"
            )


def _divergence(cell: Cell, metrics: Mapping[str, float | None]) -> Iterator[str]:
    decoding = cell.decoding
    if (decoding.temperature, decoding.top_p) != (1.0, 1.0) and metrics.get("sampled_accuracy") is not None:
        yield (
            "KL to the base is not measured: it is of completions at temperature 1 and top_p 1, and these were sampled "
            f"at {decoding.temperature:g} and {decoding.top_p:g}"
        )


def _taught(cell: Cell, cost: Mapping[str, Any]) -> Iterator[str]:
    teacher = teachers.told(cell)
    if teacher != "none":
        share = cost["teacher_flops"] / cost["flops"] if cost["flops"] else 0.0
        yield (
            f"learnt from {teacher}, beside its own {cell.labels} labels; {share:.0%} of its FLOPs were its teacher's "
            "passes: at equal labels, arms without a teacher had fewer to learn from"
        )


def _verifier(samples: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    samples = [row for row in samples if row.get("part") != "retention"]  # other tasks have verifiers of their own
    reasons = Counter(one_line(row.get("detail", "")) for row in samples if row["parts"].get("verifier_error"))
    if reasons:
        (reason, _), *_rest = reasons.most_common(1)
        often = f", most often: {reason}" if reason else ""
        yield f"the verifier itself failed on {reasons.total()} of {len(samples)} completions{often}"
