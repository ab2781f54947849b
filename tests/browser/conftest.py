"""What every test in a browser begins with: a folder of notebooks, a JupyterLab there, a page."""

from tests.browser.test_lab import lab, page, root

__all__ = ["lab", "page", "root"]
