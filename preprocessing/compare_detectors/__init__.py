"""Which face detector, on which grounds."""
