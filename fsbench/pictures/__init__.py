"""What a person looks at: painted label maps, overlays, contact sheets."""
