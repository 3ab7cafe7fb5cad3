"""Mosaic-4: recipe, pixels, files, and the proof that two builds are equal. Nothing is here yet."""
