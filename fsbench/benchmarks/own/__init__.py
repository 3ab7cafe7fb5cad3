"""A benchmark of a user's own photographs and label maps."""
