"""Clips that are mirrored left to right: found and mirrored back."""
