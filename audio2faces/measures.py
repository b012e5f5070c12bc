"""What is measured of generated faces, set against the real ones of the same frames.

Faces are uint8 RGB [shape=(frames, size, size, 3)] throughout; lists hold one array per clip.
"""

import numpy as np

from preprocessing.alignment import mouth_slices


def psnr(real, generated):
    """Peak signal-to-noise ratio of each frame in dB [shape=(frames,)]; identical frames count as 100."""
    error = (np.asarray(real, np.float64) - generated) ** 2
    return 10 * np.log10(255**2 / np.maximum(error.mean(axis=(1, 2, 3)), 255**2 / 1e10))


def ssim(real, generated):
    """Structural similarity of each frame (Wang et al. 2004) [shape=(frames,)].

    The Gaussian window has 11 pixels, or what fits into a smaller picture.
    """
    import tensorflow as tf

    window = min(11, *real.shape[1:3])
    real, generated = (tf.constant(np.ascontiguousarray(faces)) for faces in (real, generated))
    return tf.image.ssim(real, generated, 255, filter_size=window).numpy()


def still_region(real):
    """Where the real clip moves least: the calmer half of the pixels outside the mouth box [shape=(size, size)]."""
    deviation = np.asarray(real, np.float32).std(axis=0).mean(axis=-1)
    outside = np.ones_like(deviation, bool)
    outside[mouth_slices(real.shape[1])] = False
    return outside & (deviation <= np.median(deviation[outside]))


def flicker(faces, region):
    """Mean absolute change from frame to frame within a region, in grey levels."""
    return float(np.abs(np.diff(np.asarray(faces, np.float32), axis=0))[:, region].mean())
