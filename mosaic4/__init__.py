"""Mosaic-4: recipe, pixels, files, and proof that two builds are equal.

``recipe`` says which samples stand in which mosaic, ``queries`` what is asked of it, ``compose`` makes its pixels,
``build`` writes it in one of three forms, and ``verification`` proves a built folder.
"""
