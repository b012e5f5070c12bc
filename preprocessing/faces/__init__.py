"""Faces: detected, tracked, rated, aligned."""
