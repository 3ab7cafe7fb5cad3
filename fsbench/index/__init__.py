"""What a benchmark is: its folder, samples, fold lists, image order and masks."""
