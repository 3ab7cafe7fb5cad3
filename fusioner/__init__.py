"""Fusioner (BMVC 2022): frozen encoders, fusion, decoder, training."""
