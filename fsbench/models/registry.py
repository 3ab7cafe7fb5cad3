"""Models by name: registered entry points, ``prefix:rest``, or a user's ``package.module:factory``.

An entry point in the group ``fsbench.models`` loads a factory ``(**options) -> model``. A registered prefix
(``name:rest`` with ``name`` in the group) wins over ``package:factory``; its factory gets the rest as first argument.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import PydanticUserError, TypeAdapter, ValidationError

from fsbench.errors import FsbenchError, ModelError
from fsbench.models.contract import Model, ModelCard
from fsbench.plugins import registered

Factory = Callable[..., Any]


def load_model(spec: str, options: Mapping[str, str]) -> Model:
    """The model that ``spec`` names, built with ``options`` (text values, converted as its factory is annotated).

    Raises FsbenchError for an unknown name or option, ModelError where the factory itself fails.
    """
    factory, arguments = _factory(spec)
    missing = missing_argument(factory)
    if missing and not arguments and spec in registered("models"):
        raise FsbenchError(f"model {spec}: expected {spec}:{missing}, with its {missing.lower()} after the colon")
    keywords = _converted(spec, factory, len(arguments), options)
    try:
        with foreign(f"model {spec}: its factory raised"):
            model = factory(*arguments, **keywords)
    except ModelError:
        raise
    except FsbenchError as error:
        raise type(error)(f"model {spec}: {error}") from error
    return check_model(spec, model)


def missing_argument(factory: Factory) -> str:
    """What must follow the colon in ``prefix:REST``, in capitals; empty for a factory that needs nothing there."""
    try:
        first = next(iter(inspect.signature(factory).parameters.values()), None)
    except (TypeError, ValueError):
        return ""
    positional = first is not None and first.kind in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD)
    return first.name.upper() if first is not None and positional and first.default is first.empty else ""


@contextmanager
def foreign(what: str) -> Iterator[None]:
    """Around foreign code: its errors become a ModelError that begins with ``what``; our own errors pass."""
    try:
        yield
    except (FsbenchError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        raise ModelError(f"{what} {described(error)}") from error


def check_model(spec: str, model: object) -> Model:
    """``model`` itself; raises ModelError if it has no ``card`` or no ``segment``."""
    with foreign(f"model {spec}: its card or segment raised"):
        segment, card = getattr(model, "segment", None), getattr(model, "card", None)
    if not callable(segment):
        raise ModelError(f"model {spec}: {type(model).__name__} has no segment(episodes) method: see fsbench.Model")
    if not isinstance(card, ModelCard):
        raise ModelError(f"model {spec}: {type(model).__name__} has no card: give it card = fsbench.ModelCard(...)")
    assert isinstance(model, Model)
    return model


def described(error: BaseException) -> str:
    """An exception of foreign code in one line, with the line of that code where it was raised."""
    where = ""
    trace = error.__traceback__
    while trace is not None:
        where = f" ({Path(trace.tb_frame.f_code.co_filename).name} line {trace.tb_lineno})"
        trace = trace.tb_next
    try:
        message = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - its __str__ is foreign code too
        message = "(its message cannot be printed)"
    return f"{type(error).__name__}: {message[:300]}{where}"


def _factory(spec: str) -> tuple[Factory, tuple[str, ...]]:
    models = registered("models")
    prefix, colon, rest = spec.partition(":")
    if prefix in models:
        try:
            return models[prefix].load(), (rest,) if colon else ()
        except (Exception, SystemExit) as error:
            fault = f"its package does not import ({described(error)})"
            raise FsbenchError(f"model {spec}: {fault}: reinstall it") from error
    if not colon:
        known = ", ".join(models)
        raise FsbenchError(f"no model {spec!r}: choose one of {known}, or give package.module:factory")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # a console script, unlike python -m, leaves the current folder out
    try:
        module = import_module(prefix)
    except (Exception, SystemExit) as error:
        fault = f"cannot import {prefix} ({described(error)})"
        raise FsbenchError(f"model {spec}: {fault}: check the name, the folder and the code") from error
    if not hasattr(module, rest):
        raise FsbenchError(f"model {spec}: {prefix} has no {rest!r}: name a factory that it defines")
    factory = getattr(module, rest)
    if not callable(factory):
        raise FsbenchError(f"model {spec}: {rest} is a {type(factory).__name__}, expected a factory or a class")
    return factory, ()


def _converted(spec: str, factory: Factory, positional: int, options: Mapping[str, str]) -> dict[str, Any]:
    try:
        parameters = list(inspect.signature(factory).parameters.values())
    except (TypeError, ValueError) as error:
        raise FsbenchError(f"model {spec}: its factory has no signature ({error}): wrap it in a function") from error
    takes_rest = any(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL) for p in parameters)
    if positional and not takes_rest:
        raise FsbenchError(f"model {spec}: {spec.partition(':')[0]} takes nothing after ':'")
    open_ended = any(p.kind == p.VAR_KEYWORD for p in parameters)
    accepted = [p.name for p in parameters[positional:] if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    converted: dict[str, Any] = {}
    for key, value in options.items():
        if key not in accepted and not open_ended:
            raise FsbenchError(f"model {spec}: no option {key!r}: it takes {', '.join(accepted) or 'none'}")
        try:
            converted[key] = TypeAdapter(_hints(factory).get(key, str)).validate_python(value)
        except ValidationError as error:
            raise FsbenchError(f"model {spec}: option {key}={value}: {error.errors()[0]['msg']}") from error
        except (NameError, TypeError, PydanticUserError) as error:
            fault = f"option {key}={value}: its annotation cannot be used ({described(error)})"
            raise FsbenchError(f"model {spec}: {fault}: annotate it with int, float, bool, str or Literal") from error
    return converted


def _hints(factory: Factory) -> dict[str, Any]:
    """The annotations of a function, a class, a partial, or an object that is called."""
    if isinstance(factory, partial):
        return _hints(factory.func)
    if inspect.isclass(factory):
        return get_type_hints(factory.__init__)
    return get_type_hints(factory if inspect.isroutine(factory) else type(factory).__call__)
