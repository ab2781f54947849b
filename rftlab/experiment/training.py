"""One training of one policy, from the cell's seeds to its end or to numbers that are not finite."""

from transformers import set_seed

from rftlab.errors import CAUGHT, RftlabError, came_from_user, placed, told
from rftlab.experiment.memory import ran_out
from rftlab.methods.base import Method, TrainingRun


class Diverged(RftlabError):
    """Training left a model whose numbers are not finite."""


def train(method: Method, run: TrainingRun) -> None:
    """Train the run's policy in place and leave it ready to be asked.

    Raises:
        Diverged: its numbers are no longer finite.
        RftlabError: a method of the user's own raised; the sentence names its line.
    """
    # All generators: a method of the user's own may draw from another one than torch's.
    set_seed(run.cell.seed_data)
    policy, broken = run.policy, None
    try:
        with run.monitor:
            method.train(run)
    except CAUGHT as error:
        if not policy.has_diverged():
            if not came_from_user(error) or ran_out(error):
                raise
            ours = isinstance(error, RftlabError)
            said = placed(error) if ours else f"method {run.cell.method!r} raised {told(error)}"
            raise RftlabError(said) from error
        broken = error  # such as a draw from probabilities that are none
    finally:
        policy.model.eval()  # an interrupted policy may still be asked
    if broken or policy.has_diverged():
        raise Diverged(
            f"training diverged at learning rate {', '.join(f'{rate:g}' for rate in run.learning_rates)}: the model's "
            "numbers are no longer finite; give a lower one: learning_rates: [...]"
        ) from broken
