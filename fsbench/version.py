"""The version of fsbench, for whoever must not import the whole face."""

__version__ = "0.1.0"
