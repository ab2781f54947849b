import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def stub(tmp_path_factory):
    from stub_notebook import write_stub

    return write_stub(tmp_path_factory.mktemp("a{brace} folder") / "stub.ipynb")
