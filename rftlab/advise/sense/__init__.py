"""What a base can do with a task before anyone trains it: `check`, and what only the model tells.

Public: `rftlab.sense` (`sensed.sense`). `asked` runs the short cells, `signal` turns their rows into figures, `outlook`
figures into forecasts, `labels` reads records, `kept` is what `rftlab advise` finds afterwards.
"""
