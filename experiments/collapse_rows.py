"""The rows of the ladder: what each training changes."""

from dataclasses import dataclass, replace

from began.config import OF_VAE, PRESETS, REPAIRS, BeganConfig
from began.vae.config import VAE_PRESETS, VaeConfig

STEPS = 3000
SMALL = {  # of every row; the sub-pixel ends save time and are no suspect
    "size": 32,
    "n": 16,
    "generator_n": 16,
    "reference_n": 8,
    "sub_pixel": True,
    "steps": STEPS,
    "evaluate_every": STEPS // 6,
    "precision": "float32",
}
VAES = {  # whose encoders some rows hear through; 2017's, at its rate of 1e-7, would stay as it was drawn
    "convolutional": VaeConfig(steps=STEPS),
    "2017": replace(VAE_PRESETS["2017"], steps=STEPS, learning_rate=1e-3, decaying=True),
}


@dataclass(frozen=True)
class Row:
    """One line of the ladder: what is trained, and with how many seeds."""

    name: str
    config: BeganConfig
    seeds: int = 1


MODERN = {  # what a BEGAN of today has besides: convolutions over time, the paper's skips, its schedule of the rate
    "audio_network": "time",
    "audio_widths": (32, 64, 64),
    "audio_code": 64,
    "z_size": 64,
    "initial_deviation": 0.0,
    "skips": True,
    "patience": 3,
    "decay_every": 0,
    "smallest_rate": 2e-5,
}


def ladder():
    """The rows, in the order in which they are trained."""
    attempts = {name: _small(PRESETS[f"2017-{name}"]) for name in ("audio", "audio-noise", "noise", "slow")}
    as_it_was = repaired = attempts["audio-noise"]
    repairs = []
    for name, change in REPAIRS.items():
        if name.startswith("B8"):
            change = {"steps": 3 * STEPS}
        repairs.append(Row(f"2017 + {name}", replace(as_it_was, **change)))
        if not name.startswith(("B3", "B4", "B8")):  # these come one by one below
            repaired = replace(repaired, **change)
    modern = replace(repaired, **MODERN)
    hearing = replace(modern, conditional=True, mismatched=0.5)
    paired = replace(hearing, paired=1.0)
    conditional = _small(PRESETS["conditional"])
    convolutional, dense = f"{OF_VAE}convolutional", f"{OF_VAE}2017"
    return [
        Row("2017: audio and noise", as_it_was, seeds=3),
        Row("2017: audio", attempts["audio"]),
        Row("2017: noise", attempts["noise"]),
        Row("2017: audio, batch 1, tiny rate", attempts["slow"]),
        *repairs,
        Row("2017 + kernels drawn after Glorot", replace(as_it_was, initial_deviation=0.0)),
        Row("2017 + frozen VAE", replace(as_it_was, audio_encoder=dense)),
        Row("repaired: B1, B2, B5, B6, B7, B9, B10", repaired, seeds=3),
        Row("modern: repaired, networks of today", modern, seeds=3),
        Row("modern + three times the steps", replace(modern, steps=3 * STEPS)),
        Row("modern + k held at .1", replace(modern, smallest_k=0.1)),
        Row("modern + a control 50 times as fast", replace(modern, lambda_k=0.05)),
        Row("modern + frozen VAE", replace(modern, audio_encoder=convolutional)),
        Row("modern + mismatched: D hears, foreign pairs", hearing),
        Row("mismatched + paired: error against the face", paired, seeds=3),
        Row("paired + code consistency", replace(paired, code_consistency=0.1)),
        Row("paired + mode seeking", replace(paired, mode_seeking=0.02)),
        Row("paired + z exchanged: D sees faces of foreign z", replace(paired, swapped=True)),
        Row("paired + speech ramped in", replace(paired, ramp_steps=STEPS // 2)),
        Row("conditional: the default", conditional, seeds=3),
        Row("conditional, z is noise", replace(conditional, z_source="uniform"), seeds=3),
        Row("conditional, z of another frame of the clip", replace(conditional, same_frame=False)),
        Row("conditional, z a learned code of the frame", replace(conditional, z_source="reference")),
        Row("conditional, z may tell of the mouth", replace(conditional, mouth_left_out=False)),
        Row("conditional, no face to add to", replace(conditional, linear_base=False)),
        Row("conditional, not paired", replace(conditional, paired=0.0), seeds=3),
        Row("conditional, not adversarial", replace(conditional, adversarial=0.0), seeds=3),
        Row("conditional, D hears, foreign pairs", replace(conditional, conditional=True, mismatched=0.5)),
        Row("conditional, frozen VAE", replace(conditional, audio_encoder=convolutional)),
    ]


def _small(config):
    """The configuration at 32 pixels, with as few channels and steps as all rows have."""
    changed = dict(SMALL)
    if config.decay_every:
        changed |= {"decay_every": STEPS // 2, "forget_every": STEPS // 2}
    changed["audio_widths"] = (32, 64, 64) if config.audio_network == "time" else (16, 32, 64, 128)
    return replace(config, **changed)
