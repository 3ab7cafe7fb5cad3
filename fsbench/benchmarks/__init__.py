"""Builders, one folder a family, and the verification of what they built."""
