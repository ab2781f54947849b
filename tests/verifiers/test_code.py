"""The code verifier: partial credit, comparison modes, efficiency, and asserts turned into data."""

import json
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rftlab.errors import RftlabError
from rftlab.sandbox import values
from rftlab.verifiers.code import Code, encode_tests, extract_code, read_tests
from rftlab.verifiers.code import tests_from_asserts as from_asserts

SQUARES = [{"args": [n], "kwargs": {}, "expected": n * n} for n in (0, 1, 2, 5, -3)]


def example(tests=SQUARES, **meta):
    return SimpleNamespace(answer="", meta={"entry_point": "f", "tests": tests, **meta})


def tagged(code):
    return f"<answer>{code}</answer>"


def reward(code, tests=SQUARES, **settings):
    return Code(**settings)(tagged(code), example(tests)).reward


def test_full_marks():
    score = Code()(tagged("def f(n):\n    return n * n"), example())
    assert (score.reward, score.parts["full_marks"], score.parts["loads"], score.detail) == (1.0, 1.0, 1.0, "")


def test_partial_credit_is_the_share_of_tests_passed():
    score = Code()(tagged("def f(n): return n"), example())
    assert (score.reward, score.parts["tests_passed"], score.parts["full_marks"]) == (0.4, 0.4, 0.0)
    assert score.detail == "2 of 5 tests passed; test 3: another value was returned"
    assert reward("def f(n): return n", partial_credit=False) == 0


def test_code_that_does_not_compile_keeps_the_compilers_sentence():
    score = Code()(tagged("def f(n):\nreturn n * n"), example())
    assert (score.reward, score.parts["loads"]) == (0.0, 0.0)
    assert score.detail.startswith("IndentationError: expected an indented block")


@pytest.mark.parametrize(
    ("completion", "code", "format_ok"),
    [
        ("<answer>x = 1</answer>", "x = 1", True),
        ("so <answer>\n```python\nx = 1\n```\n</answer>", "x = 1", True),
        ("<answer>```\nif x:\n    y\n```</answer>", "if x:\n    y", True),
        ("Here:\n```py\nx = 1\n```\nDone.", "x = 1", False),
        ("```\nx = 1", "x = 1", False),
        ("```\na\n```\nor\n```\nb\n```", None, False),
        ("<answer>a</answer> or <answer>b</answer>", None, False),
        ("<answer>``````</answer>", None, True),
        ("", None, False),
    ],
)
def test_code_is_found_in_a_completion(completion, code, format_ok):
    assert extract_code(completion) == (code, format_ok)


def test_untagged_code_counts_only_when_lenient():
    completion = "```python\ndef f(n): return n * n\n```"
    assert Code()(completion, example()).reward == 0
    assert Code()(completion, example()).parts["correct"] == 1
    assert Code(answer_format="lenient")(completion, example()).reward == 1


@pytest.mark.parametrize(
    ("returned", "expected", "python", "strict"),
    [
        ("4.0", 4, 1, 0),
        ("True", 1, 1, 0),
        ("4", 4, 1, 1),
        ("-0.0", 0.0, 1, 1),
        ("2**80", 2**80, 1, 1),
        ("float(2**60 + 1)", 2**60 + 1, 0, 0),
        ("[1, 2]", (1, 2), 0, 0),
        ("(1, 2.0)", (1, 2), 1, 0),
        ("{2, 1}", {1, 2}, 1, 1),
        ("frozenset({1, 2})", {1, 2}, 1, 0),
        ("{1, 2, 3}", {1, 2}, 0, 0),
        ("{'b': 1, 'a': [2]}", {"a": [2], "b": 1}, 1, 1),
        ("__import__('collections').Counter('aab')", {"a": 2, "b": 1}, 1, 0),
        ("b'x'", b"x", 1, 1),
        ("'x'", b"x", 0, 0),
        ("1j", 1j, 1, 1),
        ("'1'", 1, 0, 0),
        ("None", None, 1, 1),
        ("[]", None, 0, 0),
        ("float('nan')", float("nan"), 1, 1),
    ],
)
def test_comparison_modes(returned, expected, python, strict):
    tests = [{"args": [], "expected": expected}]
    assert reward(f"def f(): return {returned}", tests, compare="python") == python
    assert reward(f"def f(): return {returned}", tests, compare="strict") == strict


def test_tolerance_is_absolute():
    tests = [{"args": [], "expected": 1.5, "tolerance": 0.01}]
    assert reward("def f(): return 1.509", tests) == 1
    assert reward("def f(): return 1.52", tests) == 0
    assert reward("def f(): return float('nan')", tests) == 0
    assert reward("def f(): return '1.5'", tests) == 0


LOOP = "def f(n):\n    total = 0\n    for i in range(n): total += i\n    return total"
FORMULA = "def f(n): return n * (n - 1) // 2"
SUMS = [{"args": [n], "expected": n * (n - 1) // 2} for n in (0, 1, 7, 30)]
GROWING = [{"args": [10]}, {"args": [100]}, {"args": [1000]}]


def efficiency(code, **meta):
    score = Code(efficiency_weight=0.5)(tagged(code), example(SUMS, reference=FORMULA, efficiency=GROWING, **meta))
    return score.parts["efficiency"], score.reward, score.detail


def test_efficiency_is_the_references_work_over_its_own():
    assert efficiency(FORMULA) == (1.0, 1.0, "")
    share, total, _ = efficiency(LOOP)
    assert 0 < share < 0.3
    assert total == pytest.approx(0.5 + 0.5 * share)
    assert efficiency(LOOP) == efficiency(LOOP)


def test_efficiency_needs_full_marks():
    assert efficiency("def f(n): return 0")[:2] == (0.0, 0.25)


@pytest.mark.parametrize(
    "code",
    [
        "import sys\nsys.settrace(None)\n" + FORMULA,
        "import os\n" + FORMULA,
        "import enum\ng = enum.bltns.getattr\n" + FORMULA,
        "from enum import bltns\n" + FORMULA,
        "import typing\ntyping.get_type_hints\n" + FORMULA,
        "import string\nstring.Formatter()\n" + FORMULA,
        "g = getattr\n" + FORMULA,
        "g = f'{1}'.__class__\n" + FORMULA,
        "match 1:\n    case int(__class__=c): pass\n" + FORMULA,
        "eval('1')\n" + FORMULA,
    ],
)
def test_code_that_could_forge_the_count_is_not_counted(code):
    share, total, detail = efficiency(code)
    assert (share, total) == (0.0, 0.5)
    assert "could forge the count" in detail


def test_work_done_while_loading_counts():
    table = "T = [sum(range(i)) for i in range(1001)]\ndef f(n): return T[n]"
    assert efficiency(table)[0] < 0.1


def test_work_after_a_stack_overflow_is_not_free():
    dropping = "def deep(): deep()\ndef f(n):\n    try: deep()\n    except RecursionError: pass\n"
    share, total, detail = efficiency(dropping + LOOP.split("\n", 1)[1])
    assert (share, total) == (0.0, 0.5)
    assert "efficiency 0" in detail


def test_another_value_on_the_growing_inputs_is_not_efficient():
    assert efficiency("def f(n): return n * (n - 1) // 2 if n < 50 else 0")[0] == pytest.approx(1 / 3, abs=0.1)


def test_a_reference_that_fails_is_refused():
    with pytest.raises(RftlabError, match="reference solution of 'f' fails"):
        Code(efficiency_weight=0.5)(tagged(FORMULA), example(SUMS, reference="def f(n): return 1 // 0"))
    with pytest.raises(RftlabError, match="no 'reference'"):
        Code(efficiency_weight=0.5)(tagged(FORMULA), example(SUMS))


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({}, "needs 'entry_point'"),
        ({"entry_point": "f"}, "needs 'tests'"),
        ({"entry_point": "f", "tests": []}, "needs 'tests'"),
        ({"entry_point": "f g", "tests": SQUARES}, "needs 'entry_point'"),
        ({"entry_point": "f", "tests": [{"args": [1]}]}, "test 1 .* KeyError"),
        ({"entry_point": "f", "tests": [{"args": [1], "expected": object()}]}, "test 1"),
    ],
)
def test_a_bad_example_is_refused(meta, message):
    with pytest.raises(RftlabError, match=message):
        Code()(tagged("def f(n): return n"), SimpleNamespace(answer="", meta=meta))


@pytest.mark.parametrize("setting", [{"compare": "loose"}, {"efficiency_weight": 2}, {"case_s": 0}])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(RftlabError):
        Code(**setting)


HUMANEVAL = '''

METADATA = {
    'author': 'jt',
    'dataset': 'test'
}


def check(candidate):
    """What it should do."""
    assert candidate([1.0, 2.0, 3.9], 0.3) == True, "first"
    assert candidate([1.0, 2.0], 0.05) is False
    assert not candidate([], 1)
    assert candidate(numbers=[1, 1], threshold=-1)
    assert abs(candidate(3.5) - 0.5) < 1e-6
    assert math.isclose(candidate(2), 4.0, rel_tol=0.001)
    assert (1, {2}) == candidate("x")
    assert True, "This prints if this assert fails"

check(has_close_elements)
'''


def test_humaneval_asserts_become_data():
    tests = from_asserts(HUMANEVAL, "has_close_elements")
    assert [test["expected"] for test in tests] == [True, False, False, True, 0.5, 4.0, (1, {2})]
    assert tests[3] == {"args": [], "kwargs": {"numbers": [1, 1], "threshold": -1}, "expected": True}
    assert tests[4]["tolerance"] == 1e-6
    assert tests[5]["tolerance"] == pytest.approx(0.004)


def test_mbpp_asserts_become_data():
    source = 'assert remove_Occ("hello","l") == "heo"\nassert remove_Occ((1, -2), {}) == [(1, 2), None]'
    assert from_asserts(source, "remove_Occ") == [
        {"args": ["hello", "l"], "kwargs": {}, "expected": "heo"},
        {"args": [(1, -2), {}], "kwargs": {}, "expected": [(1, 2), None]},
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "assert set(f(1)) == {1}",
        "assert f(1) == f(2)",
        "assert f(lambda x: x) == 1",
        "assert f(1) != 2",
        "assert f(1) == 1 and f(2) == 2",
        "assert f(1) == x",
        "assert f(*[1]) == 1",
        "assert f(**{}) == 1",
        "assert len(f(1)) == 1",
        "assert f(1) == __import__('os').getpid()",
        "for i in range(3): assert f(i) == i",
        "x = 1",
        "print('x')",
        "assert g(1) == 1",
    ],
)
def test_asserts_that_are_not_data_are_refused_by_name(statement):
    with pytest.raises(RftlabError, match=r"the tests of 'f', line 2: `.*` cannot be turned into data"):
        from_asserts(f"assert f(1) == 1\n{statement}", "f")


@pytest.mark.parametrize("source", ["", "assert f(1 ==", "import math", "assert True", "(" * 9999])
def test_tests_without_any_assert_are_refused(source):
    with pytest.raises(RftlabError):
        from_asserts(source, "f")


def test_encoded_tests_survive_json():
    tests = from_asserts("assert f((1, 2), k={3: b'x'}) == {(1, 2.5), None}", "f")
    back = json.loads(json.dumps(encode_tests(tests)))
    assert read_tests({"tests": back}) == read_tests({"tests": tests})
    assert read_tests({"tests": back})[0].case == ([(1, 2)], {"k": {3: b"x"}})
    assert reward("def f(a, k): return {(1, 2.5), None}", back) == 1


# Canonical solutions in HumanEval's and MBPP's style, each with mutants that must fail at least one test.
CANONICAL = [
    (
        "def below_zero(operations):\n    balance = 0\n    for op in operations:\n        balance += op\n"
        "        if balance < 0:\n            return True\n    return False",
        "assert candidate([]) == False\nassert candidate([1, 2, -3, 1, 2, -3]) == False\n"
        "assert candidate([1, 2, -4, 5, 6]) == True\nassert candidate([1, -1, 2, -2, 5, -5, 4, -5]) == True",
        [("balance < 0", "balance <= 0"), ("balance += op", "balance -= op"), ("return True", "return False")],
    ),
    (
        "def gcd(a, b):\n    while b:\n        a, b = b, a % b\n    return a",
        "assert candidate(3, 7) == 1\nassert candidate(10, 15) == 5\nassert candidate(49, 14) == 7\n"
        "assert candidate(144, 60) == 12",
        [("a % b", "a // b"), ("return a", "return b"), ("a, b = b,", "b, a = b,")],
    ),
    (
        "from collections import Counter\ndef histogram(text):\n    counts = Counter(text.split())\n"
        "    top = max(counts.values(), default=0)\n    return {k: v for k, v in counts.items() if v == top}",
        "assert candidate('a b b a') == {'a': 2,'b': 2}\nassert candidate('a b c a b') == {'a': 2, 'b': 2}\n"
        "assert candidate('') == {}\nassert candidate('r t g') == {'r': 1,'t': 1,'g': 1}",
        [("v == top", "v >= 1"), ("max(", "min("), ("default=0", "default=None) - (0")],
    ),
    (
        "def similar(a, b):\n    return tuple(sorted(set(a) & set(b)))",
        "assert similar((3, 4, 5, 6),(5, 7, 4, 10)) == (4, 5)\nassert similar((1, 2), (3,)) == ()",
        [("&", "|"), ("tuple(", "list("), ("set(a)", "set(b)")],
    ),
]


@pytest.mark.parametrize(("solution", "asserts", "mutations"), CANONICAL)
def test_canonical_solutions_pass_and_mutants_fail(solution, asserts, mutations):
    name = solution.split("def ")[1].split("(")[0]
    gold = SimpleNamespace(answer="", meta={"entry_point": name, "tests": from_asserts(asserts, name)})
    mutants = [solution.replace(*mutation) for mutation in mutations]
    assert solution not in mutants
    scores = Code(case_s=0.5, total_s=1).score(
        [tagged(code) for code in [solution, *mutants]], [gold] * (1 + len(mutants))
    )
    assert scores[0].parts["full_marks"] == 1
    assert not any(score.parts["full_marks"] for score in scores[1:])


@given(st.text() | st.text().map(tagged) | st.text().map(lambda text: tagged(f"def f(n): return {text}")))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_text_raises(text):
    score = Code(case_s=0.3, total_s=0.6)(text, example())
    assert 0 <= score.reward <= 1


@pytest.mark.parametrize(
    "text", ["x" * 10**6, tagged("x" * 10**6), tagged("<answer>" * 9999), "```" * 10**5, "\0", "\ud800"]
)
def test_junk_scores_nothing(text):
    assert Code()(text, example()).reward == 0


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(plain)
@settings(deadline=None)
def test_values_survive_the_journey(value):
    tree = json.loads(json.dumps(values.encode(value)))
    assert values.same(tree, values.encode(value), "strict")
    back = values.decode(tree, hostile=True)
    assert values.canonical(values.encode(back), "strict") == values.canonical(tree, "strict")


@given(plain, plain)
@settings(deadline=None)
def test_python_mode_agrees_with_equality(one, other):
    if "nan" not in repr((one, other)):
        assert values.same(values.encode(one), values.encode(other)) == (one == other)


junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["l", "t", "s", "d", "D", "i", "f", "c", "b"]),
    lambda inner: st.lists(inner),
    max_leaves=9,
)


@given(junk)
@settings(deadline=None)
def test_no_tree_raises_in_a_comparison(tree):
    assert values.same(tree, values.encode([1])) in (True, False)
    assert values.same(tree, values.encode(1.5), tolerance=0.1) in (True, False)
