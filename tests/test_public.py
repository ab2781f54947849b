import re
import subprocess
import sys

import pytest

import rftlab


def test_tab_completion_shows_the_public_names_and_each_of_them_is_there():
    assert set(rftlab.__all__) <= set(dir(rftlab))
    assert {"Any", "TYPE_CHECKING"}.isdisjoint(dir(rftlab))
    for name in rftlab.__all__:
        assert getattr(rftlab, name) is not None


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, rftlab; dir(rftlab); print({'torch', 'pandas', 'pydantic', 'matplotlib'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"workers": 0}, "workers is 0; give a whole number above 0"),
        ({"workers": -1}, "workers is -1"),
        ({"workers": 1.5}, "workers is 1.5"),
        ({"timeout": -5}, "timeout is -5"),
        ({"check_timeout": 0}, "check_timeout is 0; give a number above 0"),
        ({"keep": "x"}, "keep is 'x'; give one of none, best, all"),
        ({"kernel": "zzz"}, "kernel is 'zzz'; give one of warm, cold"),
        ({"grid": {"task": "x"}}, "a grid is a Grid or the path of its YAML file, not a dict"),
    ],
)
def test_what_run_does_not_take_is_said_before_anything_else(values, says):
    with pytest.raises(rftlab.RftlabError, match=f"^{re.escape(says)}"):
        rftlab.run(**{"grid": "not_there.yaml", **values})


def test_an_experiment_is_made_of_a_cell_and_keeps_what_it_is_made_of(small_cell):
    with pytest.raises(rftlab.RftlabError, match="made of a Cell, not of a dict"):
        rftlab.Experiment({"labels": 3})
    experiment = rftlab.Experiment(small_cell(method="base", labels=0))
    experiment.train()
    for name in ("cell", "task", "verifier", "labels", "settings"):
        with pytest.raises(AttributeError, match=f"an experiment keeps its {name}; make another one"):
            setattr(experiment, name, getattr(experiment, name))
