"""FSS-1000: its lists, class names and builder."""
