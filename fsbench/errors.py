"""Errors: one line that names the file or value, what was expected, and what to do, and an exit code.

The command line prints ``str(error)`` and exits with ``error.exit_code``; Python callers catch the classes.
"""

from __future__ import annotations


class FsbenchError(Exception):
    """Bad usage or bad input (exit code 2). The message is one line."""

    exit_code = 2


class CheckFailedError(FsbenchError):
    """A check ran and failed (exit code 1), for example in ``fsbench verify``."""

    exit_code = 1


class ModelError(FsbenchError):
    """A model raised, or its answer is not a prediction; names the model and the episode."""
