"""Trains a model from a prepared dataset; without --data from the sample clips, in minutes."""

import argparse
import importlib
import math
import sys
import time
from pathlib import Path
from typing import Any

import audio2faces.config
import began.config
import began.vae.config
from audio2faces.published import DEFAULT_ENCODER, SAMPLES
from audio2faces.speech_encoder.config import with_encoder
from audio2faces.stages import plan_stages
from preprocessing.clips import Settings
from preprocessing.dataset import SIZES, Dataset, check_size
from preprocessing.prepare import open_or_prepare, prepare_dataset
from preprocessing.review.people import format_people, people_of
from runtime.backend import check_backend, import_keras
from runtime.errors import InputError
from runtime.files import check_output_folder
from runtime.interrupts import set_interrupt_message
from runtime.program import ArgumentParser, command, number, program
from training.config import OF_VAE
from training.devices import read_cluster
from training.run_folder import RunSettings, check_run, own_run

SAMPLE_DATASET = Path("data") / "samples"
SAMPLE_LICENCE = "GRID corpus (Cooke, Barker, Cunningham, Shao 2006), CC BY 4.0"

NOTHING = "nothing"  # of --from
OF_BEGAN = ("audio_encoder", "repair")  # arguments that no other mode takes
ENOUGH_SPEECH = 20  # seconds of it in the training clips
LARGEST_BEGAN = 128  # pixels
LEARNED = "learned"  # the default of --audio-encoder
COUNT = number(1, math.inf, int)
TRAININGS: dict[str, tuple] = {  # by mode: presets, what trains (module, name), preset with --data (None: by amount)
    "vae": (began.vae.config.VAE_PRESETS, ("began.vae.training", "train_vae"), "convolutional"),
    "began": (began.config.PRESETS, ("audio2faces.train_began", "train_began"), "conditional"),
    "audio2faces": (audio2faces.config.PRESETS, ("audio2faces.train_system", "train_system"), None),
}


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = ArgumentParser(prog=command("train"), description=__doc__)
    parser.add_argument(
        "--mode",
        default="audio2faces",
        choices=list(TRAININGS),
        help="audio2faces: speech to face, a regressor and a refiner; began: a generator of faces from speech, against "
        "a discriminator; vae: a code of the speech alone (default: audio2faces)",
    )
    parser.add_argument(
        "--data",
        metavar="DATA",
        nargs="+",
        help="prepared dataset; or videos, folders, addresses, lists: they are prepared in data/NAME first "
        "(default: the sample clips)",
    )
    parser.add_argument("--run", metavar="RUN", help="folder of the run; an existing one goes on (default: a new one)")
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help="settings. audio2faces: minutes, hours (default: by the amount of speech, minutes below "
        f"{audio2faces.config.LITTLE:.0f} of it) or 2017; other modes: sample (default without --data), "
        + ", ".join(f"{default} (default for {mode})" for mode, (_, _, default) in TRAININGS.items() if default)
        + " and more",
    )
    parser.add_argument(
        "--from",
        dest="encoder",
        metavar="ENCODER",
        help="audio2faces, began: speech encoder that training starts from: a published one's name, the folder of one "
        f"(python -m audio2faces.speech_encoder), or {NOTHING} (default: {DEFAULT_ENCODER})",
    )
    parser.add_argument("--steps", type=COUNT, help="training steps, of each stage (default: the preset's)")
    parser.add_argument("--batch-size", type=COUNT, help="frames per step (default: the preset's)")
    parser.add_argument("--size", type=int, choices=SIZES, help="pixels of a face (default: the dataset's; 64)")
    parser.add_argument(
        "--stage",
        choices=audio2faces.config.STAGES,
        help="audio2faces: do this one alone; interrupted, it goes on, and starts over if it was done or its "
        "settings are others (default: the regressor, then the refiner)",
    )
    parser.add_argument("--seed", type=number(0, 2**32 - 1, int), help="of weights, order and noise (default: 0)")
    parser.add_argument(
        "--precision",
        choices=["auto", "float32", "mixed_bfloat16"],
        help="of the arithmetic (default: auto, mixed_bfloat16 where the processor has it)",
    )
    parser.add_argument(
        "--audio-encoder",
        metavar="ENCODER",
        help="began: the audio network: learned, or vae:RUN, the frozen encoder of a VAE (default: learned)",
    )
    parser.add_argument(
        "--repair",
        metavar="DEFECT",
        action="append",
        choices=[name.split()[0] for name in began.config.REPAIRS],
        help="began, 2017 presets: turn off one defect, B1 to B10 of docs/collapse.md; may be given again",
    )
    return parser.parse_args()


def chosen_config(arguments: argparse.Namespace, minutes: float = 0.0) -> Any:
    """The settings that the command line describes.

    Args:
        arguments: of the command line.
        minutes: of training speech in the dataset.

    Raises:
        InputError: the mode has no such preset, or no such setting.
    """
    presets, _, default = TRAININGS[arguments.mode]
    default = audio2faces.config.default_preset(minutes) if default is None else default if arguments.data else "sample"
    if default == "conditional" and arguments.size == LARGEST_BEGAN:
        default = f"conditional-{LARGEST_BEGAN}"
    preset = arguments.preset or default
    if preset not in presets:
        raise InputError(f"--preset {preset}: mode {arguments.mode} has {', '.join(sorted(presets))}")
    if arguments.mode == "began" and (arguments.size or 0) > LARGEST_BEGAN:
        raise InputError(f"--size {arguments.size}: mode began draws faces of {LARGEST_BEGAN} pixels at the most")
    if arguments.mode == "vae" and (wrong := [name for name in ("precision", "size") if getattr(arguments, name)]):
        raise InputError(f"--{wrong[0]}: mode vae sees no faces, computes in float32 and does not take it")
    if arguments.mode != "audio2faces" and arguments.stage:
        raise InputError("--stage: only mode audio2faces takes it")
    if arguments.encoder and (arguments.mode == "vae" or preset.startswith("2017") or arguments.audio_encoder):
        raise InputError("--from: mode vae, presets of 2017 and --audio-encoder do not take it")
    if arguments.mode != "began" and (wrong := [name for name in OF_BEGAN if getattr(arguments, name)]):
        raise InputError(f"--{wrong[0].replace('_', '-')}: only mode began takes it")
    if arguments.repair and not preset.startswith("2017"):
        raise InputError(
            f"--repair: preset {preset} has no defects of 2017; give --preset 2017-audio or another of 2017"
        )
    config: Any = presets[preset]
    if arguments.mode == "audio2faces":
        config = audio2faces.config.system_config(minutes, preset, from_nothing=arguments.encoder == NOTHING)
    for defect in arguments.repair or ():
        full_name = next(name for name in began.config.REPAIRS if name.split()[0] == defect)
        config = began.config.repaired(config, full_name)
    if (encoder := arguments.audio_encoder) and encoder != LEARNED:
        if not encoder.startswith(OF_VAE):
            raise InputError(f"--audio-encoder {encoder}: unknown; give {LEARNED} or {OF_VAE}RUN")
        config = config.updated(speech={"network": encoder})
    names = ("steps", "batch_size", "seed", "precision")
    given = {"training": {name: value for name in names if (value := getattr(arguments, name)) is not None}}
    given |= {"size": arguments.size} if arguments.size else {}
    if arguments.mode == "audio2faces":
        return config.with_settings([arguments.stage] if arguments.stage else audio2faces.config.STAGES, **given)
    return config.updated(**given)


def settings_of(arguments: argparse.Namespace, minutes: float = 0.0) -> Any:
    """`chosen_config` with the speech encoder that training starts from, which is looked for.

    Raises:
        InputError: as there, or there is no such encoder.
    """
    config, encoder = chosen_config(arguments, minutes), arguments.encoder
    if arguments.mode == "began" and not encoder and config.speech.network == "time":
        encoder = DEFAULT_ENCODER
    return config if encoder in (None, NOTHING) else with_encoder(config, encoder)


@program
def main() -> None:
    """Opens or prepares the dataset, trains, and says what was written."""
    arguments = parse_arguments()
    settings_of(arguments)  # refused before anything is done
    check_backend()
    if arguments.run:
        check_output_folder(arguments.run)
    if read_cluster() and not (arguments.mode == "began" and arguments.data and arguments.run):
        raise InputError(
            "TF_CONFIG: the processes of one run need --mode began and the same --data and --run, in folders that all "
            "of them see; prepare the data before"
        )
    if arguments.data:
        dataset = open_or_prepare(arguments.data, arguments.size)
    else:
        settings = Settings(size=arguments.size or Settings().size)
        folder = SAMPLE_DATASET if settings == Settings() else Path(f"{SAMPLE_DATASET}-{settings.size}")
        dataset, _ = prepare_dataset([SAMPLES], folder, SAMPLES / "splits", settings, SAMPLE_LICENCE)
    config = settings_of(arguments, dataset.training_minutes)
    if arguments.mode == "audio2faces" and not arguments.size and dataset.size in SIZES:
        config = config.with_settings(audio2faces.config.STAGES, size=dataset.size)
    run_dir = Path(arguments.run or Path("runs") / f"{arguments.mode}-{time.strftime('%Y%m%d-%H%M%S')}")
    if not read_cluster():  # where several processes share a run, one of them holds it
        check(arguments.mode, config, dataset, run_dir, arguments.stage)
    print(f"training on {dataset.folder}, run {run_dir}", file=sys.stderr)
    if arguments.mode == "audio2faces":
        for warning in filter(None, (little_speech(dataset), format_people(people_of(dataset)))):
            print(f"warning: {warning}", file=sys.stderr)
    set_interrupt_message(f"stopped; the same command with --run {run_dir} resumes from its last checkpoint, if any")

    print("loading Keras", file=sys.stderr)
    import_keras()
    module, name = TRAININGS[arguments.mode][1]
    train = getattr(importlib.import_module(module), name)
    model = train(config, dataset, run_dir, *([arguments.stage] if arguments.stage else []))
    if arguments.mode == "vae":
        print(f"wrote {model}, the best encoder on the validation clips; train a BEGAN on it with")
        print(f"  {command('train')} --mode began --data {dataset.folder} --audio-encoder vae:{run_dir}")
        return
    print(f"wrote {model}; try:")
    print(f"  {command('generate')} {_near(SAMPLES / 'speech.wav')} --model {model} --output mine.mp4")
    split = "" if any(clip.entry["split"] == "test" for clip in dataset.clips) else " --split validation"
    evaluate = "python -m began.evaluate" if arguments.mode == "began" else command("evaluate")
    print(f"  {evaluate} --model {model} --data {dataset.folder}{split}")


def check(mode: Any, config: Any, dataset: Any, run_dir: Path, stage: Any) -> None:
    """Refuses what training would refuse, before TensorFlow and data take their seconds and minutes.

    Raises:
        InputError: a split is empty, faces have another size, the run belongs to other settings or data, or another
            process trains it.
    """
    for split in ("train", "validation"):
        dataset.split(split)
    if mode == "began":
        if dataset.size > LARGEST_BEGAN:
            raise InputError(
                f"{dataset.folder}: faces of {dataset.size} pixels; mode began draws {LARGEST_BEGAN} at the most, "
                f"prepare them with --size {LARGEST_BEGAN}"
            )
        check_size(dataset, config.size)
    if run_dir.is_dir():
        with own_run(run_dir):
            pass
    if mode == "audio2faces":
        plan_stages(config, dataset, run_dir, stage)
    else:
        check_run(run_dir, RunSettings(mode, config, dataset.fingerprint))


def little_speech(dataset: Dataset) -> str:
    """What to say of a dataset whose speech is too little for a face; empty where it is enough."""
    seconds = 60 * dataset.training_minutes
    if seconds >= ENOUGH_SPEECH:
        return ""
    return (
        f"{dataset.folder}: {seconds:.0f} s of training speech; a mouth that follows needs {ENOUGH_SPEECH} or more: "
        "prepare more video of this speaker"
    )


def _near(path: Path) -> Any:
    """The same path, relative to the current folder if it lies in there."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    sys.exit(main())
