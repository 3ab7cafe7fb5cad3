"""Published facts that fsbench ships: fold lists and the grids they were made with (``tools/pack_*.py`` make them)."""
