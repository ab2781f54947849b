"""How an error of ours looks where it is not caught."""

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from rftlab.errors import RftlabError


@pytest.mark.parametrize("depth", [0, 3])
def test_a_notebook_shows_the_sentence_and_no_traceback(depth: int, capsys: pytest.CaptureFixture) -> None:
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    shell.user_ns["RftlabError"] = RftlabError
    raised = "raise RftlabError('labels is -1; give 0 or more')"
    code = f"def inner(n):\n    if n: inner(n - 1)\n    {raised}\ninner({depth})"
    result = shell.run_cell(code)
    assert isinstance(result.error_in_exec, RftlabError)
    assert capsys.readouterr().out.strip().splitlines() == ["RftlabError: labels is -1; give 0 or more"]
