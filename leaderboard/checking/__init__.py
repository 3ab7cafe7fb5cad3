"""All checks of a submitted record: everything that can be proved about it, and what could not be.

``submission`` holds a record with all that can be known about it, each other module one group of checks: ``place``,
``questions``, ``pixels``, ``scores``, ``masks`` (truths and predictions, with a local benchmark) and ``card``. A
check is a function from a submission to its faults, one line each; it raises ``NotCheckableError`` where something is
not available. ``report`` runs them all.
"""
