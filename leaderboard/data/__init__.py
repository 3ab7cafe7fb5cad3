"""The published rows, as they were collected; read by ``leaderboard.published``."""
