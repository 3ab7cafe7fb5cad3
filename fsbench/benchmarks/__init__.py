"""Builders, one folder per family, and the proof of what they built."""
