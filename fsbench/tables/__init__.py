"""The tables people read after an evaluation."""
