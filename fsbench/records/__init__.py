"""What an evaluation leaves: the record, its counts, environment and timings."""
