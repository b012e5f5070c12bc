"""What is in a dataset, for a person who judges it."""
