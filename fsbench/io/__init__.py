"""Files written whole or not at all, bounded reading of untrusted ones, images, label maps, Parquet."""
