"""Videos of one speaker in, a dataset of aligned faces and speech out."""
