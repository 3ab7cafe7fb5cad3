"""Training of models, for every sibling: the loop, exact resume, ranks, the feature store and the files of a run.

A trainer is announced by an entry point of the group ``fsbench.trainers``; ``fsbench train NAME`` runs it. It makes a
``Task`` (``task.py``) from a ``Setup``; everything else is here.
"""
