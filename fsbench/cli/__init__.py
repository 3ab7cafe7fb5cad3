"""One file per command; slow imports only where they are used."""
