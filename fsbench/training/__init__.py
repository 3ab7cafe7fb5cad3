"""Training for every sibling: loop, exact resume, ranks, feature store.

A trainer is registered by an entry point of the group ``fsbench.trainers``; ``fsbench train NAME`` runs it. It makes a
``Task`` (``task.py``) from a ``Setup``; everything else is here.
"""
