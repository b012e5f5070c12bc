"""What several tests share: sample clips, a tiny dataset of drawn faces, a tiny trained model."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"

os.environ["MPLBACKEND"] = "Agg"  # these three as the programs set them
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
# Before NumPy loads its BLAS: this process and those that tests start must sum in the same order.
if "PYTEST_XDIST_WORKER" in os.environ:  # the processes share the cores
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
sys.path.insert(0, str(ROOT))
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell that starts the suite in the background ignores Ctrl-C,
    signal.signal(signal.SIGINT, signal.default_int_handler)  # and so would the programs that tests interrupt

import numpy as np  # noqa: E402

from media.reading import SPEECH_RATE, read_speech  # noqa: E402
from media.writing import write_wav  # noqa: E402
from preprocessing.dataset import open_dataset, write_dataset  # noqa: E402

from .media_files import frames_of, write_video  # noqa: E402

FACE_SIZE = 16
IN_PICTURE = np.array([24.0, 10.0])  # where the face of a drawn clip lies in the frames of its source
TINY_TRAINING = {"steps": 8, "batch_size": 4, "evaluate_every": 4, "precision": "float32"}
TINY = {
    "size": FACE_SIZE,
    "speech": {"features": "wide", "widths": (8,), "code_size": 8},
    "decoder_widths": (8,),
    "versions": 1,
    "training": TINY_TRAINING,
}
TINY_REFINER = {
    "size": FACE_SIZE,
    "speech": {"features": "wide", "widths": (4,)},
    "n": 4,
    "adversary": {"n": 2, "code_size": 4},
    "training": TINY_TRAINING,
}


LONGEST = ["test_published_model", "test_generation", "test_export", "test_refiner", "test_prepare"]


def pytest_collection_modifyitems(items):
    """The files that take longest come first: no process is left with one of them at the end."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


def run_program(*arguments, cwd=ROOT, **options):
    """Runs a program of the project as a user would; returns the finished process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=cwd, env=environment, capture_output=True, text=True, **options
    )


def compiled(model, optimizer=None):
    """A model in training, ready for a step or for a checkpoint."""
    import keras

    model.compile(optimizer or keras.optimizers.Adam(1e-3), jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


def with_one_bit_changed(content):
    """The bytes of a zip file with a bit changed in the middle, in what it holds."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@contextlib.contextmanager
def full_disk(size=20_000):
    """Makes writes beyond `size` bytes of a file fail, as they do on a full disk."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def one_line(process):
    """The single error line of a program that refused its input, checked to be just that."""
    assert process.returncode == 1, process.stderr
    assert "Traceback" not in process.stderr
    errors = [line for line in process.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, process.stderr
    return errors[0]


def drawn_clip(folder, name, split, seed, frames=20, fps=25.0, dropped=()):
    """A clip whose mouth opens with the loudness of its speech: a dark bar as high as the tone is loud.

    It has as many frames, and between them those that were dropped, by their numbers.
    """
    generator = np.random.default_rng(seed)
    count = frames + len(dropped)
    kept = np.setdiff1d(np.arange(count), dropped)
    levels = generator.uniform(0.02, 1.0, count)

    def tone(rate):
        times = np.arange(0, count / fps, 1 / rate)
        return levels[np.minimum((times * fps).astype(int), count - 1)] * np.sin(2 * np.pi * 220 * times)

    faces = np.full((frames, FACE_SIZE, FACE_SIZE, 3), 150 + 10 * seed % 60, np.uint8)
    for face, level in zip(faces, levels[kept], strict=True):
        face[12 : 12 + round(4 * level), 5:11] = 40
    clip = folder / "clips" / name
    clip.mkdir(parents=True)
    np.save(clip / "faces.npy", faces)
    eyes_nose_mouth = np.array([[5.5, 6.5], [10.5, 6.5], [8, 9], [6, 12.5], [10, 12.5]])
    landmarks = np.tile(np.float32(eyes_nose_mouth + IN_PICTURE), (frames, 1, 1))
    transform = np.tile(np.hstack([np.eye(2), -IN_PICTURE[:, None]]), (frames, 1, 1))
    np.savez(clip / "track.npz", time=kept / fps, landmarks=landmarks, transform=transform)
    write_wav(clip / "speech.wav", tone(16000), 16000)
    write_wav(clip / "speech_44k.wav", tone(44100), 44100)
    return {
        "name": name,
        "source": str(folder / f"{name}.mp4"),
        "start": 0.0,
        "end": count / fps,
        "fps": fps,
        "split": split,
        "frames_kept": frames,
        "frames_dropped": {"no face": len(dropped)},
    }


def dataset_of(folder, entries, size=FACE_SIZE):
    """A dataset of the given clips, each the only one of its source."""
    (folder / "sources").mkdir(exist_ok=True)
    write_dataset(
        folder, size, [{"name": e["name"], "settings": {"size": size}, "clips": [e]} for e in entries], refused=[]
    )
    return open_dataset(folder)


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory):
    """Eight drawn clips: five to train on, one to choose by, two to test on.

    Two of them lack frames, single ones and several in a row, and two have another frame rate than the others.
    """
    folder = tmp_path_factory.mktemp("dataset")
    splits = ["train"] * 5 + ["validation"] + ["test"] * 2
    rough = {1: {"dropped": (4, 12, 13, 14)}, 3: {"fps": 30000 / 1001}, 6: {"dropped": (9,)}, 7: {"fps": 30000 / 1001}}
    entries = [
        drawn_clip(folder, f"clip{index}", split, index, **rough.get(index, {})) for index, split in enumerate(splits)
    ]
    return dataset_of(folder, entries)


@pytest.fixture(scope="session")
def tiny_config():
    """Settings of a regressor that trains in a second."""
    from audio2faces.config import RegressorConfig

    return RegressorConfig().updated(**TINY)


@pytest.fixture(scope="session")
def tiny_system(tiny_config):
    """Settings of both stages, each of which trains in a second."""
    from audio2faces.config import RefinerConfig, SystemConfig

    return SystemConfig(tiny_config, RefinerConfig().updated(**TINY_REFINER))


@pytest.fixture(scope="session")
def tiny_model_folder(tiny_dataset, tiny_system, tmp_path_factory):
    """The model folder of a tiny system trained on the drawn clips."""
    from audio2faces.train_system import train_system

    return train_system(tiny_system, tiny_dataset, tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture(scope="session")
def take(tmp_path_factory):
    """A video of 24 s: eight clips of the samples, one after the other."""
    path, images, speech = tmp_path_factory.mktemp("take") / "take.mp4", [], []
    for clip in sorted(clip for clip in SAMPLES.iterdir() if clip.suffix in (".mkv", ".mpg"))[:8]:
        frames, samples = frames_of(clip), read_speech(clip)
        images += frames
        speech.append(np.resize(samples, len(frames) * SPEECH_RATE // 25))
    write_video(path, images, speech=np.concatenate(speech))
    return path


@pytest.fixture(scope="module")
def server(tiny_model_folder, tmp_path_factory):
    """The page's server, which offers the tiny model."""
    pytest.importorskip("uvicorn")
    from .page_server import Server

    with Server(tmp_path_factory.mktemp("server"), "--model", tiny_model_folder, "--most-upload", "3") as server:
        yield server
