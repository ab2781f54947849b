"""Figures: tidy table in, matplotlib Figure out; nothing is computed here.

One look per method everywhere (`look`: the colour of its family, after Okabe and Ito, a marker and a line of its own,
so that a grey print reads too; `names`: what it is called). Figures are made without pyplot: no global state, and a
notebook shows what a function returns. A `draw_...` draws one panel on given axes: the page's figures and those of
`rftlab.report.displays` are made of the same ones.

A table has one row per plotted mean: the columns task, model, variant, prompt ("direct", "chain-of-thought", ...), arm
(method, with a swept setting in brackets), labels, measure, mean, low, high (NaN draws no bar) and n. Accuracies lie in
[0, 1] and are drawn as percent. Rows of the untrained base have arm "base". What `rftlab.load` returns is taken too:
means over seeds, without bars; `rftlab.report.summary` has the intervals.
"""

from rftlab.plots.cost import accuracy_vs_cost
from rftlab.plots.curves import learning_curves, signals, training_curve
from rftlab.plots.forest import forest
from rftlab.plots.hero import over_labels
from rftlab.plots.labels import accuracy_vs_labels, cot_vs_direct, generalisation_gap
from rftlab.plots.look import FAMILIES, STYLES, look
from rftlab.plots.marks import marks
from rftlab.plots.names import title
from rftlab.plots.ranking import ranking
from rftlab.plots.returns import cost_frontier, tornado
from rftlab.plots.style import style, to_bytes
from rftlab.plots.training import training_panels, trainings_beside

__all__ = [
    "FAMILIES", "STYLES", "accuracy_vs_cost", "accuracy_vs_labels", "cost_frontier", "cot_vs_direct", "forest",
    "generalisation_gap", "learning_curves", "look", "marks", "over_labels", "ranking", "signals", "style", "title",
    "to_bytes", "tornado", "training_curve", "training_panels", "trainings_beside",
]  # fmt: skip
