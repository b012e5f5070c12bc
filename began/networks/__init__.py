"""The networks, built from plain numbers."""
