"""Whether a dataset shows one person, as a face is trained on, or two."""

from collections.abc import Sequence

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from preprocessing.dataset import Dataset
from preprocessing.faces.tracking import look_of
from runtime.errors import InputError

EVERY = 15  # one face in so many is looked at
ALIKE = 0.85  # correlation of looks within each person's clips from which they are one person's
APART = 0.82  # correlation between them below which two groups are two people: one GRID speaker has .87 and more
LIKE_NO_OTHER = 0.9  # highest correlation with another clip below which a clip is left out
NAMED = 3  # clips of a person


def two_people(names: Sequence[str], looks: np.ndarray) -> list[list[str]]:
    """Clips of two people, where a dataset shows two: groups that look alike within and unlike between.

    Average linkage parts the clips into two groups. Of the 28 pairs of eight GRID speakers 27 are told apart, and none
    of the eight is taken for two.

    Args:
        names: of the clips.
        looks: mean of what `tracking.look_of` sees in each [shape=(clips, values)].

    Returns:
        two lists of names, the longer one first; none where one person is shown.
    """
    unit = looks / np.maximum(np.linalg.norm(looks, axis=1, keepdims=True), 1e-6)  # their mean is 0
    correlations = unit @ unit.T
    nearest = (correlations - 2 * np.eye(len(looks))).max(axis=1)
    kept = np.flatnonzero(nearest >= LIKE_NO_OTHER)
    if len(kept) < 4:
        return []
    correlations = correlations[np.ix_(kept, kept)]
    group = fcluster(linkage(1 - correlations[np.triu_indices(len(kept), 1)], "average"), 2, "maxclust")
    groups = sorted((np.flatnonzero(group == number) for number in (1, 2)), key=len, reverse=True)
    if len(groups[1]) < 2 or any(_mean_of_pairs(correlations, of_group) < ALIKE for of_group in groups):
        return []
    if correlations[np.ix_(*groups)].mean() > APART:
        return []
    return [[names[kept[place]] for place in of_group] for of_group in groups]


def _mean_of_pairs(correlations: np.ndarray, places: np.ndarray) -> float:
    return float(correlations[np.ix_(places, places)][np.triu_indices(len(places), 1)].mean())


def people_of(dataset: Dataset) -> list[list[str]]:
    """`two_people` of a dataset's clips; those that cannot be read are left out."""
    names, looks = [], []
    for clip in dataset.clips:
        try:
            looks.append(np.mean([look_of(face) for face in np.asarray(clip.faces[::EVERY])], axis=0))
            names.append(clip.name)
        except InputError:
            continue
    return two_people(names, np.array(looks)) if names else []


def format_people(groups: list[list[str]]) -> str:
    """What to say of two people, or nothing."""
    if not groups:
        return ""
    named = [f"{len(of_group)} clips such as {', '.join(sorted(of_group)[:NAMED])}" for of_group in groups]
    return (
        f"the clips seem to show two people: {' and '.join(named)}; train one face per person: prepare a dataset "
        "for each, or check in contact_sheet.png whether this is one person in two kinds of light"
    )
