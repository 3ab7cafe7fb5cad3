"""Painted label maps, overlays, contact sheets."""
