from collections.abc import Callable

import pytest

from tests.methods.caught import Caught, catching


@pytest.fixture
def catch(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Caught]:
    """Trains for a step and returns what was drawn and the gradient of the policy's first update."""
    return catching(monkeypatch)
