"""The matrix of decisions and the answers themselves, in a notebook as on the page of the report."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from rftlab.answer.folder import study_of
from rftlab.interactive.page import module
from rftlab.report import viewer
from rftlab.report.render import matrix, script

_HOST = "\n:host { display: block; container-type: inline-size; }\n"


class StudyView(anywidget.AnyWidget):
    """The view; made by `study_view`.

    Attributes:
        matrix: the section of decisions, as HTML in which every name is escaped.
        answers: as of `report.viewer.samples`.
        look: the page's style.
    """

    _esm = module("study_view.js")
    matrix = traitlets.Unicode().tag(sync=True)
    answers = traitlets.Dict().tag(sync=True)
    look = traitlets.Unicode().tag(sync=True)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Beside the view its matrix, for readers of a notebook that show no widgets."""
        made = super()._repr_mimebundle_(**kwargs)
        data = made[0] if isinstance(made, tuple) else made
        if data is not None:
            data["text/html"] = self.matrix
        return made


def study_view(results: str | Path, waive: str | Iterable[str] = ()) -> StudyView:
    """What is decided at each label budget, and the completions of test items, arm beside arm.

    Args:
        results: a results folder, or an archive.
        waive: fields of the contract whose being unknown is accepted.

    Raises:
        RftlabError: as `report.card`.
    """
    study, decisions = study_of(results, waive)
    # Within the view there is no root and no body; what they say is the view's own.
    look = (script("page.css") + script("viewer.css")).replace(":root", ":host").replace("body {", ".page {")
    # A notebook's column is narrower than its window.
    look = look.replace("@media screen and (max-width", "@container (max-width") + _HOST
    return StudyView(matrix=matrix(decisions), answers=viewer.samples(study, decisions), look=look)
