"""Tables as people publish them, one format a file: pure functions from boards and published rows to text."""
