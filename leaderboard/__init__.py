"""Leaderboard: records and published rows become tables, pages and submission checks. Nothing is here yet."""
