"""From counts to scores: metrics, confusion, scenes, intervals, permutation tests."""
