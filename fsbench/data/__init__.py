"""Published facts shipped with fsbench; ``tools/pack_*.py`` make them."""
