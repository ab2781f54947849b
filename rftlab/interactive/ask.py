"""A text box in a notebook: what the policy at hand says to a prompt of one's own, beside its base."""

from typing import TYPE_CHECKING, Any

import ipywidgets

from rftlab.errors import RftlabError
from rftlab.shown.texts import preformatted

if TYPE_CHECKING:
    from rftlab.experiment import Experiment


def ask_box(experiment: "Experiment") -> ipywidgets.VBox:
    """A line to type a question in and a button; the answers of policy and base appear below.

    Args:
        experiment: whose policy, as it is when the button is pressed, is asked.

    Returns:
        The line with its button, and the answers (an `ipywidgets.HTML`), in this order.
    """
    question = ipywidgets.Text(placeholder="a question of your own", layout=ipywidgets.Layout(width="70%"))
    button, said = ipywidgets.Button(description="Ask"), ipywidgets.HTML()

    def ask(_: Any = None) -> None:
        from rftlab.policy.ask import ask_policy

        try:
            text = str(ask_policy(experiment.policy, experiment.capped, question.value))
        except RftlabError as error:
            text = str(error)
        said.value = preformatted(text)

    button.on_click(ask)
    return ipywidgets.VBox([ipywidgets.HBox([question, button]), said])
