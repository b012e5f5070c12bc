"""The rows of the ladder: what each training changes."""

from dataclasses import dataclass
from typing import Any

from began.config import FORGETTING, PRESETS, REPAIRS, BeganConfig, repaired
from began.vae.config import VAE_PRESETS, VaeConfig
from training.config import OF_VAE

STEPS = 3000
FAST = 5e-4  # learning rate, of rows that are to settle within STEPS
SMALL = {  # of every row; the sub-pixel ends save time and are no suspect
    "size": 32,
    "generator_n": 16,
    "sub_pixel": True,
    "adversary": {"n": 16},
    "training": {"steps": STEPS, "evaluate_every": STEPS // 6, "precision": "float32"},
}
VAES = {  # whose encoders some rows hear through; 2017's, at its rate of 1e-7, would stay as it was drawn
    "convolutional": VaeConfig().updated(training={"steps": STEPS}),
    "2017": VAE_PRESETS["2017"].updated(training={"steps": STEPS, "learning_rate": 1e-3, "schedule": "cosine"}),
}


@dataclass(frozen=True)
class VariantConfig(BeganConfig):
    """A BEGAN's settings, and the switches of the ladder."""

    learned_z: bool = False  # z is a learned code of the face whose mouth is covered, instead of eigenfaces
    same_frame: bool = True  # z is of the very face to make; False: of any of its clip
    mouth_left_out: bool = True  # z leaves out what goes with the mouth's motion
    linear_base: bool = True  # the generator adds to the face that goes with z
    swapped: bool = False  # D also sees faces of one clip's z and another's speech
    code_consistency: float = 0.0  # weight of |Enc(G(c)) - c|
    mode_seeking: float = 0.0  # weight of d(z, z') / d(G, G')
    energy: float = 0.0  # weight of the energy distance between generated and real faces
    ramp_steps: int = 0  # steps over which the code of the speech is ramped up from 0

    @property
    def has_base(self) -> bool:
        """See `BeganConfig.has_base`."""
        return super().has_base and self.linear_base and not self.learned_z


@dataclass(frozen=True)
class Row:
    """One line of the ladder: what is trained, and with how many seeds."""

    name: str
    config: BeganConfig
    seeds: int = 1


MODERN: dict[str, Any] = {  # networks and schedule of a BEGAN of today: convolutions over time, the paper's skips
    "speech": {"network": "time", "widths": (32, 64, 64), "code_size": 64},
    "z_size": 64,
    "skips": True,
    "defects": (),
    "training": {"patience": 3, "halve_every": 0, "smallest_rate": 2e-5},
}


def ladder() -> list[Row]:
    """The rows, in the order in which they are trained."""
    attempts = {name: _small(PRESETS[f"2017-{name}"]) for name in ("audio", "audio-noise", "noise", "slow")}
    as_it_was = all_repaired = attempts["audio-noise"]
    repairs = []
    for name in REPAIRS:
        mended = repaired(as_it_was, name)
        if name.startswith("B8"):
            mended = as_it_was.updated(training={"steps": 3 * STEPS})
        repairs.append(Row(f"2017 + {name}", mended))
        if not name.startswith(("B3", "B4", "B8")):  # these come one by one below
            all_repaired = repaired(all_repaired, name)
    modern = all_repaired.updated(**MODERN)
    fast: dict[str, Any] = {"training": {"learning_rate": FAST}}
    hearing = modern.updated(adversary={"conditional": True, "mismatched": 0.5})
    paired = hearing.updated(paired=1.0)
    conditional = _small(BeganConfig())
    convolutional, dense = ({"network": f"{OF_VAE}{name}"} for name in ("convolutional", "2017"))
    return [
        Row("2017: audio and noise", as_it_was, seeds=3),
        Row("2017: audio", attempts["audio"]),
        Row("2017: noise", attempts["noise"]),
        Row("2017: audio, batch 1, tiny rate", attempts["slow"]),
        *repairs,
        Row("2017 + kernels drawn after Glorot", as_it_was.updated(defects=as_it_was.defects[:-1])),
        Row("2017 + frozen VAE", as_it_was.updated(speech=dense)),
        Row("repaired: B1, B2, B5, B6, B7, B9, B10", all_repaired, seeds=3),
        Row("modern: repaired, networks of today", modern, seeds=3),
        Row("modern + three times the steps", modern.updated(training={"steps": 3 * STEPS})),
        Row("modern + k held at .1", modern.updated(adversary={"smallest_k": 0.1})),
        Row("modern + a control 50 times as fast", modern.updated(adversary={"lambda_k": 0.05})),
        Row("modern + ten times the steps", modern.updated(training={"steps": 10 * STEPS})),
        Row("modern + learning rate .0005", modern.updated(**fast)),
        Row("modern + learning rate .0005, energy distance", modern.updated(**fast, energy=1.0), seeds=3),
        Row("modern + frozen VAE", modern.updated(speech=convolutional)),
        Row("modern + mismatched: D hears, foreign pairs", hearing),
        Row("mismatched + paired: error against the face", paired, seeds=3),
        Row("paired + code consistency", paired.updated(code_consistency=0.1)),
        Row("paired + mode seeking", paired.updated(mode_seeking=0.02)),
        Row("paired + learning rate .0005, energy distance", paired.updated(**fast, energy=1.0), seeds=3),
        Row("paired + z exchanged: D sees faces of foreign z", paired.updated(swapped=True)),
        Row("paired + speech ramped in", paired.updated(ramp_steps=STEPS // 2)),
        Row("conditional: the default", conditional, seeds=3),
        Row("conditional, z is noise", conditional.updated(z="uniform"), seeds=3),
        Row("conditional, z of another frame of the clip", conditional.updated(same_frame=False)),
        Row("conditional, z a learned code of the frame", conditional.updated(learned_z=True)),
        Row("conditional, z may tell of the mouth", conditional.updated(mouth_left_out=False)),
        Row("conditional, no face to add to", conditional.updated(linear_base=False)),
        Row("conditional, not paired", conditional.updated(paired=0.0), seeds=3),
        Row("conditional, not adversarial", conditional.updated(adversary={"weight": 0.0}), seeds=3),
        Row(
            "conditional, D hears, foreign pairs",
            conditional.updated(adversary={"conditional": True, "mismatched": 0.5}),
        ),
        Row("conditional, frozen VAE", conditional.updated(speech=convolutional)),
    ]


def _small(config):
    """The configuration at 32 pixels, with as few channels and steps as all rows have."""
    changed = VariantConfig.from_json(config.as_json()).updated(**SMALL)
    if config.training.halve_every:  # the conditional rows forgot, too, which the preset does not
        defects = (*config.defects, *({FORGETTING} - set(config.defects)))
        changed = changed.updated(defects=defects, training={"halve_every": STEPS // 2})
    return changed.updated(speech={"widths": (32, 64, 64) if config.speech.network == "time" else (16, 32, 64, 128)})
