import subprocess
import sys

import rftlab


def test_tab_completion_shows_the_public_names_and_each_of_them_is_there():
    assert set(rftlab.__all__) <= set(dir(rftlab))
    assert {"Any", "TYPE_CHECKING"}.isdisjoint(dir(rftlab))
    for name in rftlab.__all__:
        assert getattr(rftlab, name) is not None


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, rftlab; dir(rftlab); print({'torch', 'pandas', 'pydantic', 'matplotlib'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
