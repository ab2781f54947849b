"""A study to sit at: a form that writes its grid, a run of its own, its cells as they come, and its answer so far.

`Studio` is what a notebook shows. Behind it: `cells` and `detail` read a results folder, `answered` its answer, `board`
draws the cells, `form` asks, `desk` runs. Nothing is kept in the page: the grid is a file, and what is asked of a run
are files in its results folder (`rftlab.execute.requests`).
"""

from rftlab.interactive.studio.page import Studio

__all__ = ["Studio"]
