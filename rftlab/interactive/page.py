"""What the widgets' own pages are made of: JavaScript and CSS files beside this one, and those of the report."""

from importlib.resources import files

from rftlab.report.render import script


def module(name: str) -> str:
    """The content of an ES module of this folder, after the functions that the report's page shows texts with."""
    return "\n".join([script("texts.js"), script("tables.js"), script("answers.js"), _read(name)])


def style(*names: str) -> str:
    """The content of CSS files of this folder, after the look that all widgets share."""
    return "\n".join([_read("widget.css"), script("viewer.css"), *(_read(name) for name in names)])


def _read(name: str) -> str:
    return (files("rftlab.interactive") / name).read_text(encoding="utf-8")
