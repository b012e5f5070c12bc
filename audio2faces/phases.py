"""What a training goes through, and how long each phase takes: a guess, which the run corrects as it goes."""

from audio2faces.config import SystemConfig
from audio2faces.speech_encoder.config import SpeechEncoderConfig
from preprocessing.dataset import Dataset

# Per second on two AVX-512 cores, for faces and motion of 64 pixels.
FEATURES = 6000  # frames
AUGMENTED = 2200  # frames of a version
ENCODER_STEPS = 28
FITTED = 3000  # frames of a version
REGRESSOR_STEPS = 140  # frames in steps, audio network and decoder together
REFINER_STEPS = 12  # of 48 channels
EVALUATED = 60  # frames that the evaluation generates and measures


def training_phases(config: SystemConfig, dataset: Dataset, stages: tuple[str, ...]) -> list[tuple[str, float]]:
    """The phases of a training and their guessed seconds, in their order, for `runtime.whole_run.whole_run`.

    Args:
        config: settings.
        dataset: that it learns from.
        stages: that are still to be trained.
    """
    regressor, refiner = config.regressor, config.refiner
    count, held_out = (
        sum(entry["frames_kept"] for entry in dataset.manifest["clips"] if entry["split"] == split)
        for split in ("train", "validation")
    )
    pixels, motion = (config.refiner.size / 64) ** 2, (regressor.motion_size / 64) ** 2
    steps = regressor.training.steps
    phases = [("speech features", count / FEATURES), ("speech features", held_out / FEATURES)]
    if "regressor" in stages and regressor.decoder_widths:
        phases += [
            ("augmenting speech", regressor.versions * count / AUGMENTED),
            ("training the regressor", motion * steps * regressor.training.batch_size / REGRESSOR_STEPS),
        ]
    elif "regressor" in stages:
        if not regressor.frozen:
            phases += [
                ("augmenting speech", SpeechEncoderConfig().versions(count) * count / AUGMENTED),
                ("training the speech encoder", steps / ENCODER_STEPS),
            ]
        phases += [
            ("augmenting speech", regressor.versions * count / AUGMENTED),
            ("fitting the decoder", motion * (1 + regressor.versions) * count / FITTED),
        ]
    if "refiner" in stages:
        phases.append(("training the refiner", pixels * refiner.training.steps * refiner.n / 48 / REFINER_STEPS))
    return [*phases, ("evaluating", pixels * held_out / EVALUATED), ("measuring", pixels * held_out / EVALUATED)]
