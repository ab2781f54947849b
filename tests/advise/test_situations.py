"""What is advised in situations that were written down before the rules: situations.yaml beside this file."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from rftlab.advise import advise
from rftlab.advise.evidence import weighed
from rftlab.advise.facts import FACTS, Facts, holds, make
from rftlab.advise.rules import BARS, CONTRADICTIONS, FAMILIES, RULES, SHORT
from rftlab.advise.signals import Forecast

SITUATIONS = YAML(typ="safe", pure=True).load(Path(__file__).with_name("situations.yaml"))


def facts_of(rules) -> set[str]:
    return {condition.fact for rule in rules for condition in rule.when}


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each["name"])
def test_a_situation(situation):
    found = weighed(advise(make(situation["facts"])), (), Forecast(situation.get("forecast", {})))
    by_family = {each.name: each for each in found.ranking}
    assert found.first.name == situation["first"]
    assert {*situation.get("why", ())} <= facts_of(found.first.reasons)
    for family, facts in situation.get("against", {}).items():
        assert {*facts} <= facts_of(by_family[family].against)
    assert [name for name in situation.get("impossible", ()) if by_family[name].possible] == []
    assert {*situation.get("missing", ())} <= {each.fact for each in found.missing}
    assert {*situation.get("aside", ())} == {name for each in found.aside for name in each.aside}
    for family in situation.get("held_back", ()):
        assert "measured no signal" in by_family[family].measured
    if "tried" in situation:
        assert found.try_prompts == situation["tried"]


def test_there_are_thirty_situations_and_every_family_comes_first_in_one():
    assert len(SITUATIONS) >= 30
    assert {each["first"] for each in SITUATIONS} == {*FAMILIES}


def test_every_rule_bar_and_contradiction_speaks_in_some_situation():
    said = [advise(make(each["facts"])) for each in SITUATIONS]
    fired = {rule for each in said for ranked in each.ranking for rule in (*ranked.reasons, *ranked.against)}
    bars = {bar for each in said for ranked in each.ranking for bar in ranked.bars}
    assert [rule for rule in RULES if rule not in fired] == []
    assert [bar for bar in BARS if bar not in bars] == []
    assert [each.aside for each in CONTRADICTIONS if not any(each in one.aside for one in said)] == []


def test_every_threshold_has_a_level_on_each_side():
    for each in (*RULES, *BARS, *SHORT, *CONTRADICTIONS):
        for condition in (*each.when, *getattr(each, "unless", ())):
            levels = FACTS[condition.fact].levels
            if condition.how == "in":
                assert {*condition.value} <= {*levels}
            else:
                assert {holds([condition], Facts(**{condition.fact: level})) for level in levels} == {True, False}
