"""Reference models, one file each: four that only guess, to show what a score is worth, and one that looks.

Each module has a ``card`` and a factory ``build(**options) -> model``, registered under ``fsbench.models``.
"""
