"""Counts to scores: metrics, confusion, scenes, intervals, tests."""
