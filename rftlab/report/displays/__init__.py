"""Figures for papers, one axes each, by scikit-learn's convention: `X.from_results(results).plot()`.

`plot` returns the display with `data` (the drawn numbers), `figure_` and `axes_`. Give it an axes of your own to put
several side by side. Sizes are matplotlib's of the moment: plot and save within `rftlab.plots.style("paper")`.
"""

from rftlab.report.displays.lines import AccuracyVsCost, AccuracyVsLabels, LearningCurves
from rftlab.report.displays.rows import CotVsDirect, Differences, GeneralisationGap, OutOfDistribution

__all__ = [
    "AccuracyVsCost", "AccuracyVsLabels", "CotVsDirect", "Differences", "GeneralisationGap", "LearningCurves",
    "OutOfDistribution",
]  # fmt: skip
