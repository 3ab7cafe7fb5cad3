"""Tests that need a GPU, and what they share."""
