"""Speech in, a talking face out: the regressor, its training, evaluation and the video."""
