"""The notebook, and what renders it."""
