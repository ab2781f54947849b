import rftlab
from rftlab.cell import parameter_names


def test_every_parameter_is_listed_with_its_default_and_what_it_is() -> None:
    found = rftlab.parameters()
    assert set(found.index) == {*parameter_names(), "steps", "learning_rate", "out", "report_to"}
    assert found.loc["decoding_temperature", "default"] == "1.0"
    assert all(found["what it is"])


def test_a_text_chooses_among_them() -> None:
    assert {"decoding_max_new_tokens", "budget_unit"} <= set(rftlab.parameters("tokens").index)
    assert "labels" not in rftlab.parameters("tokens").index
    assert rftlab.parameters("nothing of the kind").empty
