"""Figures: tidy table in, matplotlib Figure out; nothing is computed here.

One look per method everywhere (colour-blind safe colours by Okabe and Ito, and a marker, so that a grey print reads
too). Figures are made without pyplot: no global state, and a notebook shows what a function returns.

A table has one row per plotted mean: the columns task, model, variant, prompt ("direct", "chain-of-thought", ...), arm
(method, with a swept setting in brackets), labels, measure, mean, low, high (NaN draws no bar) and n. Accuracies lie in
[0, 1] and are drawn as percent. Rows of the untrained base have arm "base".
"""

from rftlab.plots.curves import accuracy_vs_cost, learning_curves, training_curve
from rftlab.plots.labels import accuracy_vs_labels, cot_vs_direct, generalisation_gap
from rftlab.plots.look import STYLES, look, title, to_bytes

__all__ = [
    "STYLES", "accuracy_vs_cost", "accuracy_vs_labels", "cot_vs_direct", "generalisation_gap", "learning_curves",
    "look", "title", "to_bytes", "training_curve",
]  # fmt: skip
