"""What is said before anyone trains. Imports no torch.

`check` looks at data and verifier, `new` writes a grid for a data file, `advise(facts)` ranks the ways to train.
"""

from rftlab.advise.facts import Facts
from rftlab.advise.ranking import Advice, advise

__all__ = ["Advice", "Facts", "advise"]
