"""Fetches the raw data that ``fsbench build`` takes: resumable, verified, and unpacked without trusting the archive."""
