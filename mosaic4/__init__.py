"""Mosaic-4: recipe, pixels, files, and proof that two builds are equal.

``recipe`` chooses the samples of every mosaic, ``queries`` its classes to ask for, ``compose`` makes its pixels,
``build`` writes it in one of three forms, and ``verification`` checks a built folder.
"""
