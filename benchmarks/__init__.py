"""Measurements of the project: each module runs alone (``python -m benchmarks.NAME``), all with ``make bench``."""
