"""Scale of preparation: python -m benchmarks.preparation [--minutes 60] [--rounds 3].

Prints how much faster two workers of one thread each are than one such worker, in paired rounds, and the memory of
preparing a long 720p video: at a quarter, at half and at the end of it. The video is a real clip, repeated.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av

from benchmarks.extraction import SIZES, scaled_video
from media.reading import SPEECH_RATE, media_path, read_speech
from preprocessing.clips import Settings, SourceTask, content_hash, prepare_source
from preprocessing.scheduling import run_tasks
from runtime.files import make_folder
from runtime.program import ArgumentParser, program

ROOT = Path(__file__).parent.parent
CLIP = ROOT / "samples" / "sgac2n.mkv"


def repeated_video(clip, path, minutes):
    """Writes a 720p video with sound that repeats a clip: its encoded packets are copied, not encoded again."""
    picture = scaled_video(clip, path.with_name("once.mp4"), SIZES["1280x720"])
    speech = read_speech(clip)[: 3 * SPEECH_RATE]
    with av.open(media_path(picture)) as once, av.open(media_path(path), "w") as container:
        source = once.streams.video[0]
        packets = [packet for packet in once.demux(source) if packet.dts is not None]
        length = sum(packet.duration for packet in packets)
        video = container.add_stream_from_template(source)
        sound = container.add_stream("aac", rate=SPEECH_RATE, layout="mono")
        for turn in range(round(minutes * 60 / float(length * source.time_base))):
            for packet in packets:
                copy = av.Packet(bytes(packet))
                copy.pts, copy.dts = packet.pts + turn * length, packet.dts + turn * length
                copy.time_base, copy.stream, copy.is_keyframe = packet.time_base, video, packet.is_keyframe
                container.mux(copy)
            frame = av.AudioFrame.from_ndarray(speech[None], format="fltp", layout="mono")
            frame.sample_rate, frame.time_base = SPEECH_RATE, Fraction(1, SPEECH_RATE)
            frame.pts = turn * len(speech)
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


def tasks_of(videos, folder):
    """Tasks that prepare videos into a new dataset."""
    for name in ("clips", "sources"):
        make_folder(folder / name)
    settings = Settings(segments="whole")
    return [
        SourceTask(str(folder), path.stem, str(path), str(path), str(path), content_hash(path, path), (), settings)
        for path in videos
    ]


def seconds_of(videos, folder, workers):
    """Wall time of preparing videos by so many processes of one thread."""
    start = time.perf_counter()
    list(run_tasks(prepare_source, tasks_of(videos, folder), workers, threads=1))
    return time.perf_counter() - start


def memory_of(video, folder, seconds):
    """Resident megabytes of the program on a video, at a quarter, at half and at the most, and its wall time."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "preprocessing", str(video), "--out", str(folder)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    marks, most = {}, 0
    for line in process.stderr:  # a line of progress every ten seconds
        status = Path(f"/proc/{process.pid}/status")
        memory = dict(row.split(":", 1) for row in status.read_text().splitlines())
        if "VmHWM" not in memory:
            break
        now, most = (int(memory[key].split()[0]) / 1000 for key in ("VmRSS", "VmHWM"))
        if line.startswith("video prepared: "):
            done = int(line.split()[2].split("/")[0]) / seconds
            for mark in (0.25, 0.5):
                if done >= mark:
                    marks.setdefault(mark, now)
    if process.wait():
        raise SystemExit("preparation failed")
    return marks, most, time.perf_counter() - start


@program
def main():
    """Prints the ratio and the memory."""
    parser = ArgumentParser(prog="python -m benchmarks.preparation", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="of the long video (default: 60)")
    parser.add_argument("--rounds", type=int, default=3, help="paired rounds (default: 3)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        videos = []
        for index in range(2):  # long enough that loading the networks does not count
            videos.append(repeated_video(CLIP, folder / f"part{index}.mp4", 1 + index / 20))
        ratios = []
        for turn in range(arguments.rounds):
            one, two = (seconds_of(videos, folder / f"data{turn}-{workers}", workers) for workers in (1, 2))
            ratios.append(one / two)
        print(
            f"two workers of one thread each: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) "
            "times as fast as one"
        )
        if arguments.minutes:
            video = repeated_video(CLIP, folder / "long.mp4", arguments.minutes)
            marks, most, seconds = memory_of(video, folder / "long", arguments.minutes * 60)
            at = ", ".join(f"{memory:.0f} MB at {100 * mark:.0f} %" for mark, memory in marks.items())
            print(
                f"{arguments.minutes:g} minutes of 720p: {at}, at most {most:.0f} MB; {seconds:.0f} s, "
                f"{arguments.minutes * 60 / seconds:.1f} times as fast as it plays"
            )


if __name__ == "__main__":
    sys.exit(main())
