"""Finished records: read back and proved, compared, merged, rescored."""
