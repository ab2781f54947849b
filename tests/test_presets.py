"""The names of presets that are known without importing a method are those that the methods have."""

from pathlib import Path

from rftlab.methods.base import load_method
from rftlab.presets import PRESETS, meant
from rftlab.registry import METHODS

ROOT = Path(__file__).parents[1]


def test_the_presets_listed_are_those_of_the_methods() -> None:
    own = [name for name, entry in METHODS.items() if entry.family != "control"]  # controls have those of grpo
    assert {name: presets for name in own if (presets := tuple(load_method(name).presets))} == dict(PRESETS)


def test_who_gives_a_preset_as_a_method_is_told_how_to_give_it() -> None:
    assert meant("orpo") == "; it is a preset: give method: dpo, preset: orpo"
    assert meant("instructgpt").count(" or ") == 1
    assert meant("gpro") == ""


def test_no_method_takes_what_trl_has_as_experimental() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "rftlab").rglob("*.py"))
    assert "from trl.trainer" in code
    assert "from trl.experimental" not in code
    assert "import trl.experimental" not in code
