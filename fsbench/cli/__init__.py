"""The command line: one file a command, each importing what is slow only where it is used."""
