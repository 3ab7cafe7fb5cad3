"""The toy benchmark: drawn scenes of simple shapes."""
