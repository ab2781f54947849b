import socket
import time

import huggingface_hub
import pytest

from rftlab.files import hub


def test_a_hub_that_takes_a_question_and_never_answers_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(hub, "ANSWERS_WITHIN_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"http://127.0.0.1:{silent.getsockname()[1]}"
        ask = huggingface_hub.HfApi(endpoint=where).auth_check
        monkeypatch.setattr(huggingface_hub, "auth_check", ask)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        began = time.monotonic()
        assert hub.refusal("model", "some/model") == "the model hub does not answer within 0.3 s"
        assert time.monotonic() - began < 2


def test_offline_lasts_as_long_as_it_is_asked_for():
    import datasets

    before = datasets.config.HF_HUB_OFFLINE
    with hub.offline():
        assert datasets.config.HF_HUB_OFFLINE
        with pytest.raises(Exception, match="offline"):
            huggingface_hub.auth_check("some/model")
    assert before == datasets.config.HF_HUB_OFFLINE
