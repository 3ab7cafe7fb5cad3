"""What a maintainer runs on a record that is handed in: everything that can be proved of it, and what could not be.

``submission`` holds a record with all that can be known about it, each other module one group of checks: ``place``,
``questions``, ``pixels``, ``scores``, ``masks`` (truths and predictions, with the benchmark at hand) and ``card``. A
check is a function from a submission to its faults, one line each; it raises ``NotCheckableError`` where something is
not at hand. ``report`` runs them all.
"""
