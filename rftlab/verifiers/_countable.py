"""Whether a solution may have its interpreter steps counted; runs inside the sandbox, on the solution's text as data.

The count is taken inside the child, so code that can reach the interpreter's tracing or the result pipe could forge
it. This gate admits only code that cannot: no underscore attributes, no reflection, modules from a short list.
"""

import ast


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MODULES = _words(
    "array bisect cmath collections collections.abc copy dataclasses datetime decimal enum fractions functools "
    "heapq itertools math numbers operator re statistics string textwrap typing __future__ "
)
# Forbidden as names and as attributes: they reach an attribute, or run code, that is given as text.
BY_TEXT = _words(
    "eval exec getattr setattr delattr globals locals vars attrgetter methodcaller get_type_hints ForwardRef "
    "Formatter bltns "
)
NAMES = BY_TEXT | _words("compile open input dir breakpoint help memoryview")
ATTRIBUTES = BY_TEXT | _words(
    "sys os builtins abc types gc inspect gi_frame cr_frame ag_frame f_back f_globals f_locals f_builtins "
    "tb_frame tb_next "
)
DUNDERS = _words(
    "__init__ __eq__ __lt__ __le__ __gt__ __ge__ __len__ __iter__ __next__ __getitem__ __setitem__ __contains__ "
    "__hash__ __repr__ __str__ __add__ __sub__ __mul__ __neg__ __call__ __post_init__ __name__ "
)


def why_not(source: str) -> str:
    """Return one sentence on what forbids counting this source, "" where nothing does."""
    for node in ast.walk(ast.parse(source)):
        problem = _problem(node)
        if problem:
            return f"{problem} at line {getattr(node, 'lineno', 0)} could forge the count of steps"
    return ""


def _problem(node: ast.AST) -> str:
    if isinstance(node, ast.Import):
        bad = [alias.name for alias in node.names if alias.name not in MODULES]
        return f"import of {bad[0]}" if bad else ""
    if isinstance(node, ast.ImportFrom):
        bad = [alias.name for alias in node.names if _hidden(alias.name)]
        if node.module not in MODULES or bad:
            return f"import of {bad[0] if bad else node.module}"
    if isinstance(node, ast.Attribute) and _hidden(node.attr):
        return f"the attribute {node.attr}"
    if isinstance(node, ast.MatchClass) and any(map(_hidden, node.kwd_attrs)):
        return "a pattern that reads a hidden attribute"
    if isinstance(node, ast.Name) and (node.id in NAMES or (node.id.startswith("__") and node.id not in DUNDERS)):
        return f"the name {node.id}"
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name.startswith("__") and node.name not in DUNDERS:
        return f"the method {node.name}"
    if isinstance(node, (ast.AsyncFunctionDef, ast.Await)):
        return "asynchronous code"
    return ""


def _hidden(name: str) -> bool:
    return name in ATTRIBUTES or (name.startswith("_") and name not in DUNDERS)
