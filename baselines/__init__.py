"""Reference models: four that only guess, and one that looks.

Each module has a ``card`` and a factory ``build(**options) -> model``, registered under ``fsbench.models``.
"""
