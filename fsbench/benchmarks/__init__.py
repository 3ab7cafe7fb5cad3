"""Benchmarks that come with fsbench: one module each that builds and verifies it, beside readers of raw data."""
