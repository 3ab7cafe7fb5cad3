"""The table a person reads after an evaluation."""
