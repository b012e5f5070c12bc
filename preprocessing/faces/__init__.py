"""Faces: found, followed, judged, aligned."""
