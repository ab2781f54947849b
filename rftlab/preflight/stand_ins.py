"""Stand-ins for the training libraries, for a process that only reads what a method's class says of itself.

Importing torch and TRL takes seconds; a method's card, settings and presets need neither. Within `in_place` an import
of one of these libraries gives a module that has every name, each an empty class; nothing can be computed with it. Only
for a process that ends when it has read: what was imported meanwhile stays as it is.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "safetensors")


@contextmanager
def in_place() -> Iterator[None]:
    """Imports of the libraries give stand-ins."""
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Empty(type):
    """Metaclass of what a stand-in module holds: has every attribute, can be called, subscripted and derived from."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Empty(name, (), {})

    def __call__(cls, *_: Any, **__: Any) -> Any:
        return _Empty(cls.__name__, (), {})

    def __getitem__(cls, _: Any) -> Any:
        return cls

    def __or__(cls, _: Any) -> Any:
        return cls


class _Module(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Empty(name, (), {})


class _Finder(MetaPathFinder, Loader):
    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        ours = fullname.partition(".")[0] in LIBRARIES
        return ModuleSpec(fullname, self, is_package=True) if ours else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing in it."""
