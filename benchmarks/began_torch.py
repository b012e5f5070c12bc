"""BEGAN's usual two-pass step in PyTorch, in an interpreter of its own, which benchmarks.began_step compares with.

Reads JSON objects from standard input, one a line: first the settings, then {"steps": n} each round, or {"samples":
path, "count": n} for generated pictures; answers each with one line. With "pictures", a path, in the settings it learns
from these, as experiments.positive_control asks. The networks are those of began/networks/ (encoder.py, decoder.py), as
in the paper. The step is that of the public PyTorch versions: D learns from real faces and from detached generated
ones, and judges these once more for G.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

SMALLEST_SIDE = 8  # pixels of the innermost feature maps


def double_convolution(channels, width, stride=1, last_width=None):
    """Two 3x3 ELU convolutions; the second may halve the map."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.ELU(inplace=True),
        nn.Conv2d(width, last_width or width, 3, stride=stride, padding=1),
        nn.ELU(inplace=True),
    )


def build_encoder(size, n, code_size):
    """[batch, 3, size, size] -> [batch, code_size]."""
    modules, side, width = [nn.Conv2d(3, n, 3, padding=1), nn.ELU(inplace=True)], size, n
    while side > SMALLEST_SIDE:
        modules.append(double_convolution(width, width, 2, width + n))
        side, width = side // 2, width + n
    return nn.Sequential(
        *modules, double_convolution(width, width), nn.Flatten(), nn.Linear(width * SMALLEST_SIDE**2, code_size)
    )


class Decoder(nn.Module):
    """Dense to 8x8, blocks of two convolutions with nearest up-sampling between, a convolution to the picture."""

    def __init__(self, code_size, size, n, skips):
        super().__init__()
        self.n, self.skips = n, skips
        self.dense = nn.Linear(code_size, n * SMALLEST_SIDE**2)
        count = (size // SMALLEST_SIDE).bit_length()
        self.blocks = nn.ModuleList(double_convolution(2 * n if skips and block else n, n) for block in range(count))
        self.picture = nn.Conv2d(n, 3, 3, padding=1)

    def forward(self, code):
        """[batch, code_size] -> [batch, 3, size, size]."""
        first = x = self.dense(code).view(-1, self.n, SMALLEST_SIDE, SMALLEST_SIDE)
        for block, convolutions in enumerate(self.blocks):
            if block:
                x = functional.interpolate(x, scale_factor=2, mode="nearest")
                if self.skips:
                    x = torch.cat([x, functional.interpolate(first, scale_factor=2**block, mode="nearest")], dim=1)
            x = convolutions(x)
        return self.picture(x)


class TwoPassStep:
    """Both players with an Adam each.

    Args:
        settings: dictionary of size, n, z_size, code_size, skips, batch_size, gamma, lambda_k, precision; "pictures"
            may name a .npy file of uint8 RGB [shape=(n, size, size, 3)], of which each step draws a batch.
        memory_format: of faces and kernels.
    """

    def __init__(self, settings, memory_format):
        size, n, skips = settings["size"], settings["n"], settings["skips"]
        torch.manual_seed(0)
        self.settings, self.memory_format, self.k = settings, memory_format, 0.0
        self.generator = Decoder(settings["z_size"], size, n, skips)
        self.discriminator = nn.Sequential(
            build_encoder(size, n, settings["code_size"]), Decoder(settings["code_size"], size, n, skips)
        )
        self.players = [player.to(memory_format=memory_format) for player in (self.generator, self.discriminator)]
        self.optimizers = [
            torch.optim.Adam(player.parameters(), lr=1e-4, betas=(0.5, 0.999), foreach=True) for player in self.players
        ]
        self.faces = torch.rand(settings["batch_size"], 3, size, size).mul(2).sub(1).to(memory_format=memory_format)
        self.pictures, self.errors = None, (0.0, 0.0)
        if path := settings.get("pictures"):
            self.pictures = torch.from_numpy(np.load(path)).permute(0, 3, 1, 2).contiguous(memory_format=memory_format)

    @property
    def weights(self):
        """Number of trainable weights of both players."""
        return sum(weight.numel() for player in self.players for weight in player.parameters())

    def __call__(self):
        """One step on new z, and on the same random faces where there are no pictures."""
        settings = self.settings
        if self.pictures is not None:
            drawn = self.pictures[torch.randint(len(self.pictures), (settings["batch_size"],))]
            self.faces = drawn.float().div(127.5).sub(1)
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=settings["precision"] == "mixed_bfloat16"):
            generated = self.generator(torch.rand(settings["batch_size"], settings["z_size"]).mul(2).sub(1))
            real_error = self.error(self.faces)
            generated_error = self.error(generated.detach())
        (real_error - self.k * generated_error).backward()
        self.optimizers[1].step()
        with torch.autocast("cpu", torch.bfloat16, enabled=settings["precision"] == "mixed_bfloat16"):
            judged = self.error(generated)
        judged.backward()
        self.optimizers[0].step()
        self.errors = real_error.item(), generated_error.item()
        balance = settings["gamma"] * self.errors[0] - self.errors[1]
        self.k = min(max(self.k + settings["lambda_k"] * balance, 0.0), 1.0)

    def error(self, faces):
        """Mean |v - D(v)|."""
        return (faces.float() - self.discriminator(faces).float()).abs().mean()

    def samples(self, count):
        """Generated pictures, uint8 RGB [shape=(count, size, size, 3)]."""
        with torch.no_grad():
            generated = self.generator(torch.rand(count, self.settings["z_size"]).mul(2).sub(1))
        return generated.add(1).mul(127.5).clamp(0, 255).round().byte().permute(0, 2, 3, 1).numpy()

    def seconds(self, steps):
        """Median time of some steps."""
        seconds = []
        for _ in range(steps):
            started = time.monotonic()
            self()
            seconds.append(time.monotonic() - started)
        return statistics.median(seconds)


def faster(settings):
    """The step in the memory format that is the faster here, and the format's name."""
    steps = {name: TwoPassStep(settings, getattr(torch, name)) for name in ("contiguous_format", "channels_last")}
    seconds = {name: [] for name in steps}
    for _ in range(4):  # in turn, since the machine's speed drifts
        for name, step in steps.items():
            seconds[name].append(step.seconds(2))
    name = min(steps, key=lambda name: min(seconds[name]))
    return steps[name], name


def peak_memory():
    """Bytes; getrusage would count what the process that started this one held."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def main():
    settings = json.loads(sys.stdin.readline())
    torch.set_num_threads(settings["threads"])
    step, memory_format = faster(settings)
    answer = {"version": torch.__version__, "memory_format": memory_format, "weights": step.weights}
    print(json.dumps(answer), flush=True)
    for question in map(json.loads, sys.stdin):
        if "samples" in question:
            np.save(question["samples"], step.samples(question["count"]))
            real_error, generated_error = step.errors
            answer = {"real_error": real_error, "generated_error": generated_error, "k": step.k}
        else:
            answer = {"seconds": step.seconds(question["steps"]), "peak": peak_memory()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
