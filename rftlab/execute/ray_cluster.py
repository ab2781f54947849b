"""A connection to a Ray cluster: found, started or refused in words, and quiet.

Ray runs code for whoever reaches it. A cluster started here listens on the loopback interface alone and asks for a
token that only this run knows; one for several machines is started by whoever runs them, with what guards it.
"""

import contextlib
import logging
import os
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from rftlab.errors import RftlabError
from rftlab.execute.kernels import cores

_OBJECT_STORE_BYTES = 200 * 2**20


def import_ray() -> Any:
    """The ray module.

    Raises:
        RftlabError: it is not installed.
    """
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise RftlabError(f"executor ray needs Ray ({error}); run: pip install 'rftlab[ray]'") from None
    return ray


@contextlib.contextmanager
def connected(ray: Any, address: str) -> Iterator[None]:
    """A connection to the cluster at ``address``; one that is there already is used and left alone.

    Raises:
        RftlabError: it cannot be reached, or none can be started.
    """
    if ray.is_initialized():
        with _hushed(ray):
            yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    with _hushed(ray), contextlib.ExitStack() as private:
        try:
            if address:
                ray.init(address=address, **quiet)
            else:
                with contextlib.suppress(ConnectionError):
                    ray.init(address="auto", **quiet)
            if not ray.is_initialized():
                private.enter_context(_private(ray))
                alone = {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
                ray.init(address="local", num_cpus=cores(), **alone, **quiet)
        except Exception as error:
            where = address or "on this machine"
            raise RftlabError(
                f"cannot reach a Ray cluster {where}: {str(error).strip().splitlines()[0]}; see `ray status`"
            ) from None
        try:
            yield
        finally:
            ray.shutdown()


@contextlib.contextmanager
def _private(ray: Any) -> Iterator[None]:
    """While a cluster is started and used, this machine's address is 127.0.0.1, as Ray has it on Windows and macOS.

    `_node_ip_address` would not do: Ray takes 127.0.0.1 for "not given" and listens on every interface. Versions of Ray
    that know no tokens ignore ours.
    """
    constants, name = ray._private.ray_constants, "ENABLE_RAY_CLUSTER"
    before = getattr(constants, name)
    settings = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    if "RAY_AUTH_MODE" not in os.environ:
        settings |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    outer = {key: os.environ.get(key) for key in settings}
    os.environ.update(settings)
    setattr(constants, name, False)
    _read_settings_again(ray)
    try:
        yield
    finally:
        setattr(constants, name, before)
        for key, value in outer.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})
        _read_settings_again(ray)


def _read_settings_again(ray: Any) -> None:
    """Ray reads its authentication settings once a process, and has when it looked for a cluster."""
    config, loader = (getattr(ray._raylet, name, None) for name in ("Config", "AuthenticationTokenLoader"))
    if config is not None and loader is not None:
        config.initialize("")
        loader.instance().reset_cache()


@contextlib.contextmanager
def _hushed(ray: Any) -> Iterator[None]:
    """Keep Ray from printing the last log lines of a lost node over the display; the loss is told in a line of ours."""
    module = ray._private.worker
    before = getattr(module, "print_to_stdstream", None)
    module.print_to_stdstream = lambda *_, **__: None
    try:
        yield
    finally:
        module.print_to_stdstream = before


def task_options(options: Mapping[str, str]) -> dict[str, Any]:
    """Task options of Ray's by name (`memory=8e9`, `accelerator_type=A100`), numbers as numbers.

    Raises:
        RftlabError: an option that is not known, or text for a number.
    """
    known = {"memory": float, "accelerator_type": str, "scheduling_strategy": str}
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise RftlabError(f"executor ray has no option {', '.join(unknown)}; it takes {', '.join(known)}")
    try:
        return {name: known[name](value) for name, value in options.items()}
    except ValueError as error:
        raise RftlabError(f"option of executor ray: {error}") from None
