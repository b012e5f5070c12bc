"""The folder run/vae/: what an audio VAE leaves behind, read by whoever wants its code of the speech.

config.json    schema, kind, name, fingerprint of the data, settings, feature statistics
encoder.keras  standardised map -> mean code, float32
"""

from pathlib import Path

import keras

from began.vae.config import VaeConfig
from began.vae.model import MapScaling  # noqa: F401 - Keras knows it by name once it is imported
from preprocessing.speech.audio_features import FeatureStatistics
from runtime.errors import InputError
from runtime.files import atomic_folder, read_json, write_json
from runtime.program import command
from training.checkpoints import DAMAGED
from training.network_files import load_network

SCHEMA = 2
KIND = "vae"
FOLDER = "vae"  # within a run


def save_vae(run_dir: Path, config: VaeConfig, data: str, statistics: FeatureStatistics, encoder: keras.Model) -> Path:
    """Writes the folder, whole or not at all.

    Args:
        run_dir: folder of the run.
        config: `VaeConfig`.
        data: fingerprint of the dataset.
        statistics: `FeatureStatistics` of the training speech.
        encoder: `Vae.mean_encoder()`.

    Returns:
        path of the folder.
    """
    folder = Path(run_dir) / FOLDER
    with atomic_folder(folder) as partial:
        encoder.save(partial / "encoder.keras")
        write_json(
            partial / "config.json",
            {
                "schema": SCHEMA,
                "kind": KIND,
                "name": Path(run_dir).resolve().name,
                "data": data,
                "config": config.as_json(),
                "feature_statistics": statistics.as_json(),
            },
        )
    return folder


def load_vae_encoder(
    run_or_folder: str | Path, data: str | None = None
) -> tuple[keras.Model, VaeConfig, FeatureStatistics]:
    """Reads the encoder of a VAE.

    Args:
        run_or_folder: folder of the run, or vae/ within it.
        data: fingerprint of the dataset that it has to be trained on; None allows any.

    Returns:
        (encoder, `VaeConfig`, `FeatureStatistics`): the encoder is a `keras.Model` from maps standardised with these
        statistics [batch, rows, coefficients] to the mean of their code [batch, code_size].

    Raises:
        InputError: there is no such folder, it is another kind of run, the run is not finished, or a file is missing,
            damaged, of another schema version or trained on other data.
    """
    folder = Path(run_or_folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such run of a VAE; train one with {command('train')} --mode vae --run {folder}")
    if (folder / FOLDER / "config.json").is_file():
        folder = folder / FOLDER
    content = read_json(folder / "config.json")
    if content.get("mode") == KIND:
        raise InputError(
            f"{folder}: this run is not finished; give {command('train')} --mode vae --run {folder} again first"
        )
    if content.get("kind") != KIND:
        what = f"a {content['kind']} model" if "kind" in content else f"a run of mode {content.get('mode')}"
        raise InputError(f"{folder}: {what}, no {KIND}; train one with {command('train')} --mode vae")
    if content.get("schema") != SCHEMA:
        raise InputError(
            f"{folder}: a {KIND} of schema {content.get('schema')}, this version reads {SCHEMA}; train it again"
        )
    if data not in (None, content.get("data")):
        raise InputError(
            f"{folder}: this VAE was trained on another dataset, whose speech is standardised otherwise; "
            "train one on the same --data"
        )
    if not (folder / "encoder.keras").is_file():
        raise InputError(f"{folder / 'encoder.keras'}: missing; copy the whole folder again")
    try:
        config = VaeConfig.from_json(content["config"])
        statistics = FeatureStatistics.from_json(content["feature_statistics"])
        return load_network(folder / "encoder.keras"), config, statistics
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error
    except DAMAGED as error:
        raise InputError(f"{folder}: damaged ({error}); copy the whole folder again") from error
