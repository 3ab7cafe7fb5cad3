"""What a benchmark is: folder, samples, fold lists, image order, masks."""
