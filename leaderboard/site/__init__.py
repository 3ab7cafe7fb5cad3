"""The static site: pages made from boards by templates, without network or framework."""
