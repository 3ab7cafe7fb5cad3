"""Fusioner: frozen encoders, fusion, decoder, training, checkpoints. Nothing is here yet."""
