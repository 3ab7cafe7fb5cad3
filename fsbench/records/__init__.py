"""What an evaluation leaves: record, counts, environment, timings."""
