"""Atomic writes, bounded reading of untrusted files, images, label maps, Parquet."""
