"""The short form of every proof, and that a proof which breaks, or tries nothing, has not held."""

from pathlib import Path

import pytest

from tests.proof.known import PROOFS
from tests.proof.proof import Proof, prove
from tests.proof.table import markdown


@pytest.mark.parametrize("proof", [each for each in PROOFS if "short" in each.cases], ids=lambda proof: proof.name)
def test_it_holds(proof: Proof, tmp_path: Path) -> None:
    line = prove(proof, "short", tmp_path, seed=0)
    if line.not_tried:
        pytest.skip(line.not_tried)
    assert not line.short


def _proof(run, **values) -> Proof:
    return Proof("section.name", "it holds", {"short": 3}, run, **values)


def test_cases_are_counted_and_those_that_fell_short_are_told(tmp_path: Path) -> None:
    line = prove(
        _proof(lambda count, *_: iter([(str(n), "" if n else "was 0 | 1") for n in range(count)])), "short", tmp_path, 0
    )
    assert (line.tried, line.held, line.short) == (3, 2, {"0": "was 0 | 1"})
    told = markdown({line.name: {**vars(line), "commit": "abc"}})
    assert told.splitlines()[-1] == "| `section.name` | it holds | 3 | 2 | 0: was 0 \\| 1 | 0 s | abc |"


def test_a_proof_that_breaks_or_tries_nothing_has_not_held(tmp_path: Path) -> None:
    def breaks(*_):
        yield "one", ""
        raise ValueError("no such thing")

    line = prove(_proof(breaks), "short", tmp_path, 0)
    assert (line.tried, line.held) == (2, 1)
    assert line.short["the proof itself"].startswith("ValueError: no such thing")
    assert prove(_proof(lambda *_: iter(())), "short", tmp_path, 0).not_tried == "it tried nothing"


def test_chance_depends_on_the_name_and_the_seed_alone(tmp_path: Path) -> None:
    def draws(count, _, chance):
        yield str(chance.random()), "x"

    runs = [prove(_proof(draws), "short", tmp_path, seed).short for seed in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]
