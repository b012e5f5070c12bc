"""Programs that train to find something out."""
