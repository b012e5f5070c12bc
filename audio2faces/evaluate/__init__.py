"""Models beside baselines, measured."""
