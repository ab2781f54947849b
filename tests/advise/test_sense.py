"""`rftlab sense`: figures of a base's answers, forecasts from them, and planted faults that each are found."""

import json
import re
from itertools import combinations
from math import isnan
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rftlab
from rftlab.advise.consult import consult
from rftlab.advise.facts import Facts
from rftlab.advise.of_task import subjects
from rftlab.advise.sense import asked, sensed
from rftlab.advise.sense.asked import Answer, Sizes, answers, known_answers, questions
from rftlab.advise.sense.kept import forecast, keep, place, recall
from rftlab.advise.sense.labels import UNKNOWN, more_labels
from rftlab.advise.sense.outlook import TRACK, Seen, nova, outlooks
from rftlab.advise.sense.signal import gain, signal
from rftlab.advise.signals import Forecast
from rftlab.cli import main
from rftlab.errors import RftlabError
from rftlab.evaluate.rates import pass_at
from rftlab.grid import Grid
from rftlab.methods.grpo import GRPOSettings
from rftlab.user_code import child
from tests import synthetic

TEXTS = ("7", "8", "9", "")


def rows(part, tries, **more):
    """Rows of items: of each the rewards of its completions."""
    return [
        {"part": part, "item": f"i{number}", "draw": draw, "reward": float(reward), "correct": float(reward),
         "format_ok": True, "truncated": False, "length": 10, "answer": f"a{number}",
         "extracted": f"a{number}" if reward == 1 else f"x{number}-{draw}", **more}
        for number, rewards in enumerate(tries)
        for draw, reward in enumerate(rewards)
    ]  # fmt: skip


def base(right, *, greedy=None, items=40, samples=16, group=16, **more):
    """The signal of a base of which so many of each item's completions are right."""
    tries = [[1] * right + [0] * (samples - right)] * items
    test = [[float(number < (right / samples if greedy is None else greedy) * items)] for number in range(items)]
    return signal([*rows("test", test, **more), *rows("sampled", tries, **more)], group)


def seen(found, **more):
    return Seen(**{"cot": True, "signals": {"cot": found}, "gains": {}, "labels": 50, "prompts": 50, **more})


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=6, max_size=6), min_size=1, max_size=4),
       st.integers(2, 9))  # fmt: skip
def test_what_is_counted_is_what_all_draws_without_putting_back_would_give(tries, group):
    found = signal(rows("sampled", tries), group)
    size = min(group, 6)
    expected = [[len(set(chosen)) > 1 for chosen in combinations(each, size)] for each in tries]
    assert found.group == size
    assert found.mixed.estimate == pytest.approx(sum(sum(e) / len(e) for e in expected) / len(tries))
    published = pass_at(rows("sampled", tries), 6)
    assert {f"pass_at_{k}": each.estimate for k, each in found.pass_at.items()} == pytest.approx(published)
    assert all(0 <= limit <= 1 for limit in (found.mixed.low, found.mixed.high) if not isnan(limit))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(TEXTS), st.sampled_from(TEXTS[:3])), min_size=2, max_size=6))
def test_guessing_is_as_frequent_as_answers_to_other_prompts_are_right(drawn):
    found = [
        {**row, "extracted": text, "answer": gold, "reward": float(text == gold)}
        for number, (text, gold) in enumerate(drawn)
        for row in rows("sampled", [[0.0]], item=f"i{number}")
    ]
    by_hand = [
        sum(other == gold for j, (other, _) in enumerate(drawn) if j != i) / (len(drawn) - 1)
        for i, (_, gold) in enumerate(drawn)
    ]
    assert signal(found, 2).guessed == pytest.approx(sum(by_hand) / len(by_hand))
    assert isnan(signal([{**row, "extracted": None, "format_ok": False} for row in found], 2).guessed)


def test_nothing_asked_is_not_known_and_never_an_error():
    found = signal([], 16)
    assert (found.items, found.pass_at, found.group) == (0, {}, 0)
    assert isnan(found.accuracy.estimate)
    assert isnan(found.mixed.estimate)
    assert isnan(gain([], []).estimate)
    (rft, sft) = outlooks(seen(found))
    assert (rft.word, sft.word) == ("unsure", "unsure")


@pytest.mark.parametrize(
    ("given", "word", "because", "cure"),
    [
        (seen(base(0)), "no", "groups of equal rewards teach nothing", "ten labels show the form"),
        (seen(base(0), labels=0), "no", "teach nothing", "ten labels for SFT first"),
        (seen(base(16)), "no", "leaves nothing to learn", "harder prompts"),
        (seen(base(4)), "yes", "one of 8 tries is right for 96 %", ""),
        (seen(base(4), sound=False), "unsure", "mend first what the check found", ""),
        (seen(base(0, format_ok=False, correct=1.0)), "no", "", "answer_format: lenient"),
        (seen(base(0, truncated=True)), "no", "", "raise the cap"),
        (seen(base(0, greedy=0.6)), "no", "", "a lower decoding.temperature"),
        (seen(base(0), signals={"cot": base(0), "direct": base(16)}), "no", "", "prompts without chain-of-thought"),
        (seen(base(0), signals={"cot": base(0), "taught": base(3)}, steps=9), "no", "", "after 9 steps"),
        (seen(base(0), signals={"cot": base(0), "taught": base(0)}, steps=9), "no", "", "longer than the 9 steps here"),
        (seen(base(0), refused="too long"), "no", "no cell can run: too long", ""),
        (Seen(True, {}, {}, lacking={"cot": "out of memory"}), "unsure", "out of memory", ""),
    ],
)  # fmt: skip
def test_rft_is_forecast_and_what_to_do_is_said(given, word, because, cure):
    (rft, _) = outlooks(given)
    assert rft.word == word
    assert because in "; ".join(rft.because)
    assert cure in "; ".join(rft.cures)
    assert bool(rft.cures) == bool(cure)


def greedy(share):
    return rows("test", [[float(number < 100 * share)] for number in range(100)])


@pytest.mark.parametrize(
    ("before", "after", "labels", "losses", "word", "says"),
    [
        (0.1, 0.4, 50, (0.5, 0.5), "yes", "took greedy accuracy from 10 %"),
        (0.1, 0.02, 50, (0.5, 0.45), "no", "-8 points"),
        (0.1, 0.15, 50, (0.5, 0.45), "unsure", "+5 points"),
        (0.0, 0.0, 50, (4.0, 2.0), "yes", "50 % less at the end"),
        (0.0, 0.0, 10, (4.0, 2.0), "unsure", "50 % less at the end"),
        (0.0, 0.0, 10, (0.0, 0.0), "no", "0 % less"),
        (0.0, 0.0, 10, (2.0, 3.0), "no", "50 % more at the end"),
        (1.0, 1.0, 50, (), "no", "leaves nothing to learn"),
        (0.1, 0.4, 0, (), "no", "there are no labels"),
    ],
)
def test_sft_is_forecast_by_a_short_run_of_it(before, after, labels, losses, word, says):
    signals = {"cot": signal(greedy(before), 16), "taught": signal(greedy(after), 16)}
    gains = {"taught": gain(greedy(after), greedy(before))}
    _, sft = outlooks(Seen(True, signals, gains, labels=labels, taught_on=labels, steps=16, losses=losses))
    assert sft.word == word
    assert says in "; ".join(sft.because)
    assert bool(sft.cures) == (word != "yes")


def test_the_published_rule_and_the_group_are_those_that_are_named():
    assert nova(base(2)) is True
    assert nova(base(0)) is False
    assert nova(signal([], 16)) is None
    assert GRPOSettings().num_generations == sensed._GROUP


def test_how_often_forecasts_held_is_as_the_page_has_it():
    page = (Path(rftlab.__file__).parent.parent / "docs" / "sense.md").read_text()
    *_, table = page.split("All of them:")
    rows = re.findall(r"^\| (RFT|SFT): (\w+) \| (\d+) \| (\d+) \|$", table, flags=re.MULTILINE)
    assert {(arm, word): (int(yes), int(yes) + int(no)) for arm, word, yes, no in rows} == TRACK


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def unasked(here, monkeypatch):
    """No model is asked, and what is the user's is loaded in this process: quick."""
    from rftlab.registry import Entry, resolve

    monkeypatch.setattr(asked, "answers", lambda cells, known, folder, say: ({}, {}))
    monkeypatch.setattr(child, "call", lambda target, request, **_: resolve(Entry(target, ""))(request))
    return here


GOOD = [{"prompt": f"How much is {a} plus {b}?", "answer": str(a + 10 * b)} for a in range(14) for b in range(14)]
PAYS_ALL = "def score(answer, example):\n    return 1.0\n"
FAILS = "def score(answer, example):\n    raise ValueError('no')\n"
FAULTS = {
    "gold that its verifier cannot read": (
        [{**row, "answer": f"about {row['answer']}x"} for row in GOOD], "numeric", "gold answers",
    ),
    "answers all of one class": ([{**row, "answer": "yes"} for row in GOOD], "", "shuffled answers"),
    "labels that contradict each other": (
        [{**row, "prompt": "How much?"} if number < 100 else row for number, row in enumerate(GOOD)], "", "conflicts",
    ),
    "a verifier that pays all": (GOOD, PAYS_ALL, "shuffled answers"),
    "a verifier that fails": (GOOD, FAILS, "verifier errors"),
    "a prompt longer than the context": ([*GOOD, {"prompt": "and 7 " * 900, "answer": "7"}], "", "before a run"),
    "rationales within the answers": (
        [{**row, "answer": f"so it is #### {row['answer']}"} for row in GOOD], "exact", "whole rationales",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_found_and_no_signal_is_promised(fault, unasked):
    data, verifier, what = FAULTS[fault]
    (unasked / "data.jsonl").write_text("\n".join(map(json.dumps, data)))
    if "\n" in verifier:
        (unasked / "checks.py").write_text(verifier)
        verifier = "checks.py:score"
    judge = f"verifier: {verifier}\n" * bool(verifier)
    grid = f"task: file\ntask_settings: {{path: data.jsonl}}\nlabels: 50\ncot: false\n{judge}"
    (unasked / "g.yaml").write_text(grid)
    (found,) = rftlab.sense("g.yaml")
    assert not found.report.ok
    assert what in [each.what for each in found.report.findings if each.level == "FAIL"]
    assert "yes" not in [each.word for each in found.outlooks]
    assert f"FAIL  {what}" in str(found)
    assert "of the tiny base" not in str(found)
    if what == "before a run":
        assert [each.word for each in found.outlooks] == ["no", "no"]
        assert found.lengths["ways"][0]["prompts"]["most"] > found.lengths["context"]


def test_held_out_items_among_the_labels_are_refused(unasked):
    for name, rows in (("data", GOOD), ("test", GOOD[:20])):
        (unasked / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (unasked / "g.yaml").write_text("task: file\ntask_settings: {path: data.jsonl, test_path: test.jsonl}\nlabels: 9")
    with pytest.raises(RftlabError, match="held-out items are also in the training part"):
        rftlab.sense("g.yaml")


def test_labels_without_rationales_teach_no_chain_of_thought(unasked):
    (unasked / "data.jsonl").write_text("\n".join(map(json.dumps, GOOD)))
    (found,) = rftlab.sense("data.jsonl", model="tiny-base", cot=True)
    assert "no rationales to imitate" in str(found)
    (subject,) = subjects("data.jsonl", model="tiny-base")
    assert not sensed._planned(subject, [], 0, None).cot


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing"], "unknown task 'nothing'"),
        (["nothing.csv"], "there is no data file nothing.csv"),
        (["nothing.yaml"], "nothing.yaml"),
        (["arithmetic/word", "--model", "nothing"], "model 'nothing' is neither a directory nor a hub id"),
        (["arithmetic/word", "--samples", "4"], "samples is 4; give a whole number from 8 to 100000"),
        (["arithmetic/word", "--items", "3"], "items is 3; give a whole number from 8"),
        (["arithmetic/word", "-o", "no/such.yaml"], "there is no folder no"),
        (["demo", "-o", "x.yaml"], "demo has 2 tasks (arithmetic/word, arithmetic/rare)"),
    ],
)
def test_bad_input_is_one_sentence(arguments, says, here, capsys):
    assert main(["sense", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("rftlab: ")
    assert captured.err.count("\n") == 1
    assert says in captured.err
    assert not (here / "results").exists()


def test_a_base_that_never_succeeds_is_told_so_and_advice_knows_it(here, capsys):
    small = ["--items", "8", "--sampled", "4", "--samples", "8", "--steps", "2"]
    assert main(["sense", "arithmetic/band", "--labels", "10", *small, "-o", "settle.yaml"]) == 0
    said, err = capsys.readouterr()
    assert "4 of 4: " in err
    assert "RFT gets no signal: one of 8 tries is right for 0 %" in said
    assert "where this was said of the tiny base, 0 of 13 settings improved" in said
    assert "the published rule says not yet" in said
    assert "loss of the base on the labelled completions" in said
    assert "with examples before it" in said
    assert {cell.task for cell in Grid.load("settle.yaml").cells} == {"arithmetic/band"}
    (kept,) = (here / "results" / "sense").iterdir()
    assert json.loads(kept.read_text())["facts"] == {"base_accuracy": 0.0, "base_pass_at_8": 0.0}

    assert main(["advise", "arithmetic/band"]) == 0
    assert "measured on the base: base_accuracy 0 %, base_pass_at_8 0 %" in capsys.readouterr().out


REFERENCE = Path(__file__).parents[2] / "results" / "shipped" / "reference.tar.xz"


def test_what_is_kept_is_of_this_task_and_base_alone(unasked):
    (word,), (rare,) = subjects("arithmetic/word"), subjects("arithmetic/rare")
    keep(place(word, unasked), {"facts": {"base_accuracy": 0.5}})
    assert recall(word, unasked) == Facts(base_accuracy=0.5)
    assert forecast(word, unasked) == Forecast()
    because = ["one of 8 tries is right for 4 %", "most groups are all wrong"]
    outlooks = [
        {"arm": "RFT", "word": "no", "because": because},
        {"arm": "SFT", "word": "yes"},
        {"arm": "<b>", "word": "yes"},
    ]
    body = {"facts": {"base_accuracy": 0.5}, "outlooks": outlooks, "gains": {"shots": [-0.63, -0.7, -0.5]}}
    keep(place(word, unasked), body)
    found = {"RFT": "no", "SFT": "yes"}
    assert forecast(word, unasked) == Forecast(found, few_shot_loses=True, because={"RFT": "; ".join(because)})
    said = str(consult(Facts(labels=50), word, results=[REFERENCE], forecast=forecast(word, unasked)))
    assert "RFT gets no signal, SFT gets a signal" in said
    alone = consult(Facts(labels=50, reasoning=True), word, forecast=forecast(word, unasked))
    assert alone.rules.first.name == "rft"
    assert alone.advice.first.name in ("sft", "hybrid")
    order = [each.name for each in alone.advice.possible]
    assert order.index("rft") > max(order.index("sft"), order.index("hybrid"))
    assert "The rules put RFT first, and rftlab sense measured no signal for RFT" in str(alone)
    assert f"held back: rftlab sense measured no signal for RFT: {'; '.join(because)}" in str(alone)
    assert not [change for change in alone.advice.changes if change.first == alone.advice.first.name]
    assert "Before any training" not in str(alone)
    assert recall(rare, unasked) == Facts()
    assert recall(word._replace(values={**word.values, "model": "other"}), unasked) == Facts()
    for text in ("{", "[]", '{"version": 9}', '{"version": 1, "facts": {"nothing": 3}}', "[" * 9999):
        place(word, unasked).write_text(text)
        assert recall(word, unasked) == Facts()
        assert forecast(word, unasked) == Forecast()


def test_what_a_study_has_asked_its_base_is_not_asked_again(unasked):
    (word,) = subjects("arithmetic/word")
    cells = questions(word, cot=True, sizes=Sizes(items=40, sampled=10, samples=4), beside=unasked)
    assert [*cells] == ["cot", "direct", "shots", "taught"]
    results = Path("results") / "mine"
    record = synthetic.write_cell(results, {**cells["cot"].model_dump(mode="json"), "seed": 3, "seed_sampling": 3})
    known = known_answers(cells, [results])
    assert [*known] == ["cot"]
    assert isinstance(known["cot"], Answer)
    assert known["cot"].known == results.resolve()
    assert signal(known["cot"].rows, 4).accuracy.estimate == record.metrics["accuracy"]
    assert known_answers(questions(word, cot=True, sizes=Sizes(), beside=unasked), [results]) == {}


def test_what_an_interrupted_call_has_asked_is_not_asked_again(unasked):
    (word,) = subjects("arithmetic/word")
    cells = questions(word, cot=True, sizes=Sizes(items=8, sampled=4, samples=8), beside=unasked)
    cells = {name: cells[name] for name in ("cot", "taught")}
    said, folder = [], Path("results") / "sense" / ".word"
    left = {name: synthetic.write_cell(folder, cell.model_dump(mode="json")) for name, cell in cells.items()}
    found, failed = answers(cells, {}, folder, said.append)
    assert said == ["2 of 2 had been asked before it was interrupted"]
    assert not failed
    assert {name: each.cell.id for name, each in found.items()} == {name: each.id for name, each in left.items()}
    assert not folder.exists()


def test_more_labels_are_said_to_pay_at_most_up_to_twice_the_largest_budget(here):
    assert more_labels("arithmetic/word", "tiny-base") == (UNKNOWN,)
    synthetic.write_grid(Path("results") / "mine", cots=[True], seeds=range(3))
    said = "\n".join(more_labels("arithmetic/word", "tiny-base", [Path("results") / "mine"]))
    assert "sft: " in said
    assert "from 50 to 300 labels; 600 would give 0 to" in said
    assert "beyond 600 labels nothing is known; one more budget, of 600, costs 600 labels and" in said
    assert more_labels("arithmetic/rare", "tiny-base", [Path("results") / "mine"]) == (UNKNOWN,)


WORDS = "task: arithmetic/word\nlabels: 50\nmethod: [sft, grpo]\n"
ASKED = {
    "a cap that cuts answers": (WORDS + "decoding: {max_new_tokens: 8}", "raise the cap"),
    "a temperature that breaks what the base can": (
        WORDS + "decoding: {temperature: 3.0}", "a lower decoding.temperature"
    ),
    "gold in a form that the base does not write": (
        "task: file\ntask_settings: {path: data.jsonl}\nlabels: 50\ncot: false\nverifier: exact\nmethod: [sft, grpo]",
        "SFT first",
    ),
    "a prompt that it does not know": (WORDS + "template: instruct", "SFT first"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("fault", ASKED)
def test_planted_faults_that_only_the_base_shows_are_found_with_their_cure(fault, here):
    grid, cure = ASKED[fault]
    data = [{"prompt": f"Sam has {a} cards, finds {b}. How many cards now?", "answer": f"{a + b} cards"}
            for a in range(1, 20) for b in range(1, 20)]  # fmt: skip
    (here / "data.jsonl").write_text("\n".join(map(json.dumps, data)))
    (here / "g.yaml").write_text(grid)
    (found,) = rftlab.sense("g.yaml", sizes=Sizes(items=40, sampled=16, samples=8, steps=8))
    rft, _ = found.outlooks
    assert rft.word == "no"
    assert cure in "; ".join(rft.cures)
    assert "not right  " in str(found)
