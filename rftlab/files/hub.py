"""Whether the model hub has something for us, found out by one short question.

The hub's own clients ask again and again, without a limit for each request: without a network that takes a minute, and
behind a wall that swallows packets it never ends.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal
from unittest import mock

from rftlab.errors import one_line

ANSWERS_WITHIN_S = 2.5


def refusal(kind: Literal["model", "dataset"], name: str) -> str:
    """Why the hub does not give a repository, as the rest of a sentence; "" if it does.

    Args:
        kind: what the repository holds.
        name: its hub id.
    """
    import huggingface_hub.errors  # noqa: F401  before the clock runs: a second where nothing has imported it yet

    said: list[str] = []
    asking = threading.Thread(target=lambda: said.append(_asked(kind, name)), daemon=True)
    asking.start()
    asking.join(ANSWERS_WITHIN_S)
    return said[0] if said else f"the model hub does not answer within {ANSWERS_WITHIN_S:g} s"


@contextmanager
def offline() -> Iterator[None]:
    """Within it the hub's clients take what lies on this machine and ask nobody."""
    import datasets
    import huggingface_hub

    with (
        mock.patch.object(huggingface_hub.constants, "HF_HUB_OFFLINE", True),
        mock.patch.object(datasets.config, "HF_HUB_OFFLINE", True),
    ):
        yield


def _asked(kind: str, name: str) -> str:
    from huggingface_hub import auth_check
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    try:
        auth_check(name, repo_type=kind)
    except GatedRepoError:
        return "it is gated: its owner has to give you access, and `hf auth login` has to know you"
    except (RepositoryNotFoundError, HFValidationError):
        return f"the model hub knows no such {kind}, or it is private"
    except Exception as error:
        return f"the model hub cannot be reached ({one_line(str(error))})"
    return ""
