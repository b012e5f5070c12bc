"""The same dataset with other splits, for experiments that leave clips out or deal them out anew."""

import dataclasses


def with_splits(dataset, split_of):
    """A dataset whose clips are in other splits; nothing on disk changes.

    Args:
        dataset: `preprocessing.dataset.Dataset`.
        split_of: from the name of a clip to its split; clips that it lacks are left out.
    """
    clips = [
        {**entry, "split": split_of[entry["name"]]} for entry in dataset.manifest["clips"] if entry["name"] in split_of
    ]
    return dataclasses.replace(dataset, manifest={**dataset.manifest, "clips": clips})


def splits_of(dataset):
    """The split of each clip, by name, in the order of the names."""
    entries = sorted(dataset.manifest["clips"], key=lambda entry: entry["name"])
    return {entry["name"]: entry["split"] for entry in entries}
