"""Shell completion of names: registered models, benchmarks that are built or known, protocols."""

from __future__ import annotations


def models() -> list[str]:
    """Names for ``--model``."""
    from fsbench.plugins import registered

    return [*registered("models"), "predictions:"]


def benchmarks() -> list[str]:
    """Names of benchmarks built under ``FSBENCH_HOME``."""
    from fsbench.home import built_benchmarks

    return sorted(built_benchmarks())


def protocols() -> list[str]:
    """Ids for ``--protocol``."""
    from fsbench.episodes.protocols import PROTOCOLS

    return list(PROTOCOLS)
