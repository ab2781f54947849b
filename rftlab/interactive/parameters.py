"""The parameters of a notebook, as a table to look things up in."""

from rftlab import scalars
from rftlab.cell import Cell, parameter_help, parameter_names
from rftlab.shown.tables import TextTable


def parameters(about: str = "") -> TextTable:
    """Every parameter that a notebook takes: its name there, its default, and what it is.

    Args:
        about: show only those whose name or description holds this text.
    """
    defaults, texts = Cell.make({}).to_parameters(), parameter_help()
    rows = {name: (repr(defaults[name]), texts[dotted]) for name, dotted in parameter_names().items()}
    rows |= {name: ("0", f"short for {text}") for name, text in scalars.SHORT.items()}
    rows |= {name: ("''", text) for name, text in scalars.BESIDE.items()}
    found = {name: row for name, row in rows.items() if about.lower() in f"{name} {row[1]}".lower()}
    return TextTable.from_dict(found, orient="index", columns=["default", "what it is"])
