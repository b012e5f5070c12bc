"""Tells mirrored clips by the way the head is turned: a speaker who habitually faces one side gives a sign per clip."""

from .detection import LEFT_EYE, NOSE, RIGHT_EYE

# Eye distances by which the yaw of a whole clip may be off: MTCNN on ten clips of GRID and on their mirror images
# gave yaws whose sum, which should be zero, was .019 (root mean square), half of it to either.
DETECTOR_SPREAD = 0.01


def yaw(landmarks):
    """How far the head is turned: the nose's way from the middle of the eyes, along the line through them.

    Measured along the eyes' line, it does not see roll; in units of their distance, it does not see size.

    Args:
        landmarks: [shape=(frames, 5, 2)].

    Returns:
        array [shape=(frames,)], 0 for a frontal face, positive where the nose is nearer to the right eye (as seen in
        the picture); exchanging left and right turns the sign.
    """
    eyes = landmarks[:, RIGHT_EYE] - landmarks[:, LEFT_EYE]
    nose = landmarks[:, NOSE] - (landmarks[:, LEFT_EYE] + landmarks[:, RIGHT_EYE]) / 2
    return (nose * eyes).sum(axis=-1) / (eyes**2).sum(axis=-1)
