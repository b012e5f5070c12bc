"""A face trained by the settings of `train.py`, for experiments that compare many."""

import contextlib
import sys


def train_face(dataset, run, encoder, stage=None, **regressor):
    """A face of a dataset by the settings for so much speech, and its run continued if there is one.

    Args:
        dataset: to learn from.
        run: folder of the run.
        encoder: name or folder of the speech encoder that training starts from; None for none.
        stage: "regressor" for that alone; None for both.
        regressor: settings of the regressor that differ.

    Returns:
        `FaceModel`.
    """
    from audio2faces.config import system_config
    from audio2faces.speech_encoder.config import with_encoder
    from audio2faces.train_system import train_system
    from audio2faces.trained.face import load_model

    config = system_config(dataset.training_minutes, from_nothing=not encoder, size=dataset.size)
    config = (with_encoder(config, encoder) if encoder else config).updated(regressor=regressor)
    with contextlib.redirect_stdout(sys.stderr):  # the table is printed alone
        return load_model(train_system(config, dataset, run, stage))
