"""Which questions are asked: protocols, draws and manifests."""
