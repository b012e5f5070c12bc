"""The second stage: a moved face to a sharp one."""
