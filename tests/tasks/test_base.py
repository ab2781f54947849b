"""Example, Task and label budgets."""

from dataclasses import replace
from itertools import pairwise

import pytest

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.tasks.base import Example, Task, fingerprint, load_task, normalise_prompt
from rftlab.tasks.of_cell import draw_labels, require_gold, require_rationales
from rftlab.verifiers.exact import Exact
from rftlab.verifiers.story import Story


def examples(count: int, start: int = 0) -> tuple[Example, ...]:
    return tuple(Example(f"e{i}", f"Question {i}?", str(i)) for i in range(start, start + count))


@pytest.fixture
def task() -> Task:
    return Task("toy", "A card.", examples(50), examples(20, 50), examples(5, 70))


def test_smaller_budgets_are_prefixes_of_larger_ones(task):
    drawn = [task.labels(n, seed=4).train for n in (1, 10, 30, 50)]
    for fewer, more in pairwise(drawn):
        assert more[: len(fewer)] == fewer


def test_another_data_seed_draws_other_labels(task):
    assert task.labels(10, seed=0).train != task.labels(10, seed=1).train


def test_the_order_of_the_rows_does_not_matter(task):
    turned = Task("toy", "A card.", task.train[::-1], task.test)
    assert turned.labels(10, seed=0) == task.labels(10, seed=0)


def test_prompts_without_labels_come_after_the_budget_nest_and_hold_nothing_out(task):
    few, many = (task.labels(10, seed=4, prompts=n, development=5) for n in (5, 20))
    assert many.prompts[:5] == few.prompts
    assert many.train == task.labels(10, seed=4, development=5).train
    assert all(not example.answer and example.rationale is None for example in many.prompts)
    assert many.asked == many.train + many.prompts
    held = {example.id for example in (*many.train, *many.development)}
    assert not held & {example.id for example in many.prompts}
    assert [e.id for e in many.prompts] == [e.id for e in task.labels(30, seed=4).train[10:]]


def test_rows_without_an_answer_are_the_first_prompts_and_never_labels(task):
    rows = tuple(replace(example, id=f"p{example.id}", answer="") for example in examples(8, 100))
    task = replace(task, prompts=rows)
    labels = task.labels(40, seed=1, prompts=10)
    assert {example.id for example in labels.prompts[:8]} == {example.id for example in rows}
    assert not {example.id for example in labels.train} & {example.id for example in rows}
    assert task.fingerprint != replace(task, prompts=()).fingerprint


@pytest.mark.parametrize("labelled", [True, False])
def test_without_labels_what_is_held_out_is_taken_from_the_prompts(task, labelled):
    if not labelled:
        task = replace(task, train=(), prompts=tuple(replace(example, answer="") for example in task.train))
    labels = task.labels(0, seed=3, prompts=20, validation_share=0.2, development=4, from_labels=True)
    assert labels.train == ()
    assert (len(labels.prompts), len(labels.validation), len(labels.development)) == (13, 3, 4)
    assert len({example.id for part in labels for example in part}) == 20
    apart = task.labels(0, seed=3, prompts=20, development=4)
    assert (len(apart.prompts), len(apart.development)) == (20, 4)


def test_prompts_and_labels_that_are_not_there_are_refused(task):
    with pytest.raises(RftlabError, match=r"has 35 more prompts .* fewer than prompts=40; lower prompts to 35"):
        task.labels(10, seed=0, prompts=40, development=5)
    unlabelled = replace(task, train=(), prompts=task.train)
    with pytest.raises(RftlabError, match="no row with an answer and 50 without, .*; set labels to 0 and give prompts"):
        unlabelled.labels(1, seed=0)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"method": "sft", "labels": 0}, "method 'sft' trains on labels, but labels is 0; give labels >= 1"),
        ({"method": "sft", "labels": 5, "prompts": 5}, "trains on labels alone; leave prompts out"),
        ({"method": "grpo", "labels": 0}, "trains on labels or prompts, but labels is 0 and prompts is 0"),
        ({"method": "sft[+]grpo", "labels": 0, "prompts": 5}, "trains on labels, but labels is 0"),
    ],
)
def test_a_method_with_nothing_to_train_on_is_refused(task, values, says):
    with pytest.raises(RftlabError, match=says):
        draw_labels(Cell.make({**values, "method": values["method"].replace("[+]", "+")}), task)


def test_a_verifier_that_compares_with_gold_refuses_what_has_none(task):
    labels = task.labels(5, seed=0, prompts=5)
    with pytest.raises(RftlabError, match="verifier 'exact' compares with the gold answer, which the 5 prompts"):
        require_gold(labels, task, Exact(), "exact")
    require_gold(labels, task, Story(), "story")
    task = replace(task, test=(*task.test, Example("blank", "And this?", "")))
    with pytest.raises(RftlabError, match="held-out example blank of task 'toy' has none; give it an answer"):
        require_gold(task.labels(5, seed=0), task, Exact(), "exact")


@pytest.mark.parametrize(("budget", "share", "held"), [(10, 0.2, 2), (2, 0.01, 1), (2, 0.99, 1), (10, 0.0, 0)])
def test_validation_comes_out_of_the_budget(task, budget, share, held):
    labels = task.labels(budget, seed=0, validation_share=share)
    assert len(labels.validation) == held
    assert len(labels.train) == budget - held
    drawn = {example.id for example in labels.train + labels.validation}
    assert drawn == {example.id for example in task.labels(budget, seed=0).train}


def test_a_prompt_held_out_for_validation_is_not_trained_on_under_another_label():
    rows = tuple(Example(f"e{i}", f"{' ' * (i // 10)}Prompt {i % 10}", str(i)) for i in range(40))
    task = Task("toy", "A card.", rows, examples(5, 50))
    labels = task.labels(40, seed=0, validation_share=0.1)
    prompts = [{normalise_prompt(e.prompt) for e in part} for part in (labels.train, labels.validation)]
    assert all(prompts)
    assert not prompts[0] & prompts[1]
    alike = Task("toy", "A card.", tuple(Example(f"e{i}", "One prompt", str(i)) for i in range(9)), examples(5, 50))
    with pytest.raises(RftlabError, match="labels of two prompts"):
        alike.labels(9, seed=0, validation_share=0.2)


def test_one_label_cannot_be_split(task):
    with pytest.raises(RftlabError, match="labels >= 2"):
        task.labels(1, seed=0, validation_share=0.2)


def test_development_items_are_apart_and_the_same_for_every_budget(task):
    drawn = [task.labels(n, seed=4, development=8) for n in (0, 1, 20, 42)]
    assert len({labels.development for labels in map(_by_ids, drawn)}) == 1
    for labels in drawn:
        assert len(labels.development) == 8
        assert not {e.id for e in labels.train} & {e.id for e in labels.development}
        assert labels.train == task.labels(len(labels.train), seed=4).train
    assert task.labels(20, seed=4, development=3).development == drawn[0].development[:3]


def _by_ids(labels):
    return labels._replace(development=tuple(example.id for example in labels.development))


@pytest.mark.parametrize(("budget", "mend"), [(43, ", lower evaluation"), (50, ", lower"), (51, " or add data")])
def test_labels_and_development_items_beyond_the_data_are_both_named(task, budget, mend):
    says = rf"has 50 training examples, fewer than labels={budget} and 8 development items .*; lower labels to 42{mend}"
    with pytest.raises(RftlabError, match=says):
        task.labels(budget, seed=0, development=8)
    assert len(task.labels(50, seed=0, development=8, from_labels=True).development) == 8


def test_a_prompt_that_is_also_a_label_is_no_development_item():
    twins = tuple(Example(f"t{i}", f"  question {i}?", str(i)) for i in range(25))
    task = Task("toy", "A card.", (*examples(50), *twins), examples(5, 50))
    for seed in range(5):
        labels = task.labels(20, seed=seed, development=10)
        assert {int(e.id.removeprefix("e")) for e in labels.development} <= set(range(25, 50))
        fold = task.labels(60, seed=seed, development=10, from_labels=True)
        trained = {normalise_prompt(e.prompt) for e in fold.train}
        assert not trained & {normalise_prompt(e.prompt) for e in fold.development}
    with pytest.raises(
        RftlabError, match="75 training examples, 25 of them with a prompt that occurs once, fewer than"
    ):
        task.labels(20, seed=0, development=26)


@pytest.mark.parametrize(("budget", "held"), [(2, 1), (4, 1), (5, 1), (6, 2), (30, 6), (50, 8)])
def test_development_items_from_the_labels_are_every_fifth_and_nest(task, budget, held):
    whole = task.labels(budget, seed=1)
    labels = task.labels(budget, seed=1, development=8, from_labels=True)
    assert labels.development == whole.train[::5][:8]
    assert len(labels.development) == held
    assert {e.id for e in labels.train + labels.development} == {e.id for e in whole.train}
    assert len(labels.train) == budget - held
    split = task.labels(50, seed=1, development=8, from_labels=True, validation_share=0.2)
    assert len(split.validation) == 8
    assert not {e.id for e in split.validation} & {e.id for e in split.train + split.development}


def test_one_label_gives_no_fold_and_two_give_no_trial_beside_it(task):
    with pytest.raises(RftlabError, match="labels=1 leaves none to train on; give more labels, or development: apart"):
        task.labels(1, seed=0, development=8, from_labels=True)
    with pytest.raises(RftlabError, match="labels >= 2 beside those held out for development"):
        task.labels(2, seed=0, development=8, from_labels=True, validation_share=0.2)
    assert task.labels(0, seed=0, development=8, from_labels=True).development == ()


def test_a_budget_larger_than_the_data_names_both(task):
    with pytest.raises(RftlabError, match="50 training examples, fewer than labels=51"):
        task.labels(51, seed=0)


@pytest.mark.parametrize("part", ["test", "ood"])
def test_a_held_out_item_among_the_training_items_is_an_error(part):
    twin = Example("twin", "  question   3? ", "3")
    parts = {"test": examples(5, 50), "ood": (), part: (*examples(5, 60), twin)}
    with pytest.raises(RftlabError, match="held-out items are also in the training part: twin \\(as e3\\); "):
        Task("toy", "A card.", examples(10), **parts)


def test_held_out_items_among_the_training_items_are_listed_five_of_them_by_name():
    test = tuple(Example(f"t{i}", example.prompt, "0") for i, example in enumerate(examples(10)))
    with pytest.raises(RftlabError, match="items are .*: t0 \\(as e0\\), .* t4 \\(as e4\\) and 5 more; remove"):
        Task("toy", "A card.", examples(10), test)


@pytest.mark.parametrize("part", ["train", "test", "ood"])
def test_two_examples_of_a_part_have_two_ids(part):
    parts = {"train": examples(5), "test": examples(5, 50), "ood": examples(5, 70)}
    twin = Example(parts[part][2].id, "Another question?", "7")
    with pytest.raises(RftlabError, match=f"several examples have the id {twin.id}; give each an id of its own"):
        Task("toy", "A card.", **{**parts, part: (*parts[part], twin)})
    assert Task("toy", "A card.", examples(2), (Example("e0", "Other part?", "1"),)).test[0].id == "e0"


@pytest.mark.parametrize(("train", "test", "empty"), [(0, 5, "train"), (5, 0, "test")])
def test_an_empty_part_is_named(train, test, empty):
    with pytest.raises(RftlabError, match=f"the {empty} part is empty"):
        Task("toy", "A card.", examples(train), examples(test, 50))


def test_a_fingerprint_sees_every_field(task):
    base = Example("a", "p", "x", "r", {"k": 1})
    changed = [
        Example("b", "p", "x", "r", {"k": 1}),
        Example("a", "q", "x", "r", {"k": 1}),
        Example("a", "p", "y", "r", {"k": 1}),
        Example("a", "p", "x", "s", {"k": 1}),
        Example("a", "p", "x", "r", {"k": 2}),
    ]
    assert len({fingerprint([each]) for each in (base, *changed)}) == 6
    assert fingerprint([base, changed[0]]) != fingerprint([changed[0], base])


def test_a_missing_rationale_is_named():
    with pytest.raises(RftlabError, match="sft .*example e0 has none"):
        require_rationales(examples(1), "sft")


def test_prompts_are_the_same_item_whatever_their_case_and_spaces():
    assert normalise_prompt("What  IS\n2?") == normalise_prompt("what is 2?")


@pytest.mark.parametrize(
    ("name", "settings", "match"),
    [
        ("maths/countdown", {}, "did you mean"),
        ("math/countdwn", {}, "math/countdown"),
        ("math/countdown", {"trian": 5}, "does not take these settings"),
        ("nowhere.py:load", {}, "there is no file nowhere.py"),
    ],
)
def test_a_wrong_name_or_setting_is_a_sentence(name, settings, match):
    with pytest.raises(RftlabError, match=match):
        load_task(name, settings)


def test_a_task_of_ones_own_is_loaded_from_a_file(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from rftlab.tasks.base import Example, Task\n"
        "def load(size=3):\n"
        "    rows = tuple(Example(str(i), f'{i} + 1?', str(i + 1)) for i in range(size))\n"
        "    return Task('mine', 'Mine.', rows[1:], rows[:1])\n"
    )
    assert len(load_task(f"{tmp_path}/mine.py:load", {"size": 6}).train) == 5


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("prompt", "a\ud800b", r"the prompt of example x holds half a character \(.ud800\)"),
        ("answer", "\udcff", "the answer of example x holds half a character"),
        ("rationale", "\ud800", "the rationale of example x"),
        ("answer", 5, "the answer of example x is a int, not a text"),
        ("prompt", None, "the prompt of example x is a NoneType"),
    ],
)
def test_what_is_no_text_or_cannot_be_written_is_no_example(field, value, says):
    good = Example("y", "other", "b")
    bad = Example(**{"id": "x", "prompt": "a", "answer": "b", field: value})
    with pytest.raises(RftlabError, match=says):
        Task("t", "card", (bad,), (good,))
