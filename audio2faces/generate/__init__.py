"""Speech to a talking video."""
