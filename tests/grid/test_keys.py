"""What `rftlab parameters` says of a grid file is what its reader takes."""

import pytest

from rftlab.cell import parameter_names
from rftlab.errors import RftlabError
from rftlab.grid import Grid
from rftlab.grid.keys import KEYS, listing
from rftlab.grid.tuning import Stage

GRID = "method: [base, sft, grpo]\nlabels: [10, 50]\nseed: [0, 1]\n"


@pytest.mark.parametrize("key", KEYS)
def test_the_example_of_every_key_is_taken(tmp_path, key):
    path = tmp_path / "g.yaml"
    path.write_text(f"{GRID}{KEYS[key].example}\n")
    assert Grid.load(path).cells
    path.write_text(f"{GRID}{KEYS[key].example.replace(key, key + 'x', 1)}\n")
    with pytest.raises(RftlabError, match=f"unknown parameter .*did you mean .*{key}"):
        Grid.load(path)


def test_everything_a_grid_may_hold_is_listed_once():
    names = [line.split()[0] for line in listing() if line.startswith("  ") and "  " in line.strip()]
    stage = [f"tuning.{name}" for name in Stage.model_fields]
    assert names == [*parameter_names().values(), *KEYS, *stage]
