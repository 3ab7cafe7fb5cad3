"""The static site: pages of one idea each, made of boards by templates, with no network and no framework."""
