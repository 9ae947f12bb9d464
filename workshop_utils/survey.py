"""A whole survey as one array: its files are read and prepared once, and training then reads straight from the disk.

A prepared survey is a folder of three files: `values.npy`, float16, a row for every spectrum (or strain sample), in the
order of the source; `labels.csv`, a row for each; `card.json`, which says what it was made from, with a checksum
(SHA-256) of every block of rows. Half precision is enough: of standardised values, which are a few units large, it
keeps three decimal digits, and their noise is larger than that by far.
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float16
from torch import Tensor
from tqdm import tqdm

from .sources import disk_errors_named, write_text
from .spectra import N_PIXELS, kaggle_blocks, kaggle_labels, standardise
from .strain import DETECTORS, N_SAMPLES, g2net_blocks, g2net_labels, whiten

BLOCK = 1024  # rows prepared at a time: 19 MB of spectra, 50 MB of strain, a few times over
VERSION = 1  # raised when the same source would give other values


class SurveyError(ValueError):
    """A prepared survey cannot be used or made; the message names the folder, what is wrong and what to do."""


class Survey(NamedTuple):
    """A prepared survey. `values` lies on the disk; what is asked for is read, and kept while there is memory."""

    values: Float16[Tensor, "row channel sample"]
    labels: pd.DataFrame  # a row for each; column "usable" is False where the source held values that are no numbers
    card: dict


def prepare_spectra(path: str | PathLike, folder: str | PathLike, classes: Sequence[int] = (3, 30), z_conf: int = 3):
    """Standardise the spectra of a Kaggle file that experts were sure of, and keep them as a survey.

    Parameters
    ----------
    path : str or Path
        `dr16q-log-zvi-quasar.h5` or `-galaxy.h5`, see `sources.kaggle_file`.
    folder : str or Path
        Where the survey shall lie: 9.2 kB a spectrum, 3.7 GB for all quasars. If it is there, it is opened.
    classes, z_conf
        Which rows, as in `spectra.kaggle_labels`.

    Returns
    -------
    Survey
        `values` (n, 1, 4618): what `spectra.standardise` gives; `labels` as of `spectra.kaggle_labels`.

    Raises
    ------
    SurveyError, SpectrumError
    """
    labels = kaggle_labels(path, z_conf, classes)
    rows = labels["row"].to_numpy()

    def blocks(start):
        for flux in kaggle_blocks(path, rows[start:], BLOCK):
            yield standardise(torch.from_numpy(flux))[:, None]

    return prepare(folder, blocks, labels, (1, N_PIXELS), Path(path))


def prepare_strain(source: str | PathLike, folder: str | PathLike, partial: bool = False):
    """Whiten the labelled samples of the g2net competition and keep them as a survey.

    Parameters
    ----------
    source : str or Path
        Folder that holds training_labels.csv and the samples, as in `strain.g2net_labels`.
    folder : str or Path
        Where the survey shall lie: 25 kB a sample, 13.8 GB for all 560,000. If it is there, it is opened.
    partial : bool
        Do without samples that have no label or no file.

    Returns
    -------
    Survey
        `values` (n, 3, 4096): what `strain.whiten` gives with the design's noise; `labels` with columns id, target.

    Raises
    ------
    SurveyError, StrainError
    """
    labels = g2net_labels(source, partial)
    files = labels["file"].to_numpy()

    def blocks(start):
        for strain in g2net_blocks(files[start:], BLOCK):
            yield whiten(torch.from_numpy(strain))

    return prepare(folder, blocks, labels[["id", "target"]], (len(DETECTORS), N_SAMPLES), Path(source))


def prepare(
    folder: str | PathLike, blocks: Callable, labels: pd.DataFrame, shape: Sequence[int], source: str | PathLike
):
    """Write a survey block by block, so that it need not fit into memory; after a kill it goes on where it stopped.

    All is written into `folder`.part, which is renamed at the end: a folder of the right name is whole.

    Parameters
    ----------
    folder : str or Path
    blocks : function
        start -> iterator over tensors (`BLOCK`, *shape), float32, from row `start` on; the last may be shorter.
    labels : pandas.DataFrame
        A row for each row of values.
    shape : tuple of int
        Channels and samples of one row.
    source : Path
        The file or folder that all this comes from; its name and size go on the card.

    Returns
    -------
    Survey
    """
    folder, table = Path(folder), labels.to_csv(index=False)
    made_from = {
        "source": source.name,
        "bytes": source.stat().st_size if source.is_file() else None,
        "block": BLOCK,
        "shape": [len(labels), *shape],
        "labels_sha256": hashlib.sha256(table.encode()).hexdigest(),
        "version": VERSION,
    }
    if not len(labels):
        raise SurveyError(f"{source}: no row is left to prepare; ask for other classes or a lower confidence.")
    if folder.exists():
        survey = open_survey(folder)
        if made_from != {name: survey.card.get(name) for name in made_from}:
            raise SurveyError(f"{folder}: it holds something else than {source} gives; delete it or name another.")
        return survey
    part = folder.with_name(folder.name + ".part")
    card = take_up(part, made_from, table)
    with (
        (part / "values.npy").open("r+b") as file,
        tqdm(
            total=len(labels),
            initial=BLOCK * len(card["sha256"]),
            desc=folder.name,
            unit="row",
            unit_scale=True,
            ncols=90,
            file=sys.stdout,
        ) as bar,
    ):
        start = min(bar.initial, len(labels))
        file.seek(first_row(part) + start * row_bytes(shape))
        for values in blocks(start) if start < len(labels) else ():
            half, unusable = to_half(values)
            append(file, half)
            card["sha256"].append(hashlib.sha256(half).hexdigest())
            card["unusable"] += (start + unusable).tolist()
            write_card(part, card)  # only now does the block count: a kill before this line, and it is made again
            start += len(half)
            bar.update(len(half))
    if start != len(labels):
        raise SurveyError(f"{source}: {start} rows came, but there are labels for {len(labels)}; is it still complete?")
    os.replace(part, folder)
    return open_survey(folder)


def append(file: Any, half: Any):
    """Write a block, or say that the disk is full."""
    try:
        file.write(half)
        file.flush()
    except OSError as error:
        raise SurveyError(
            f"{file.name}: it cannot be written ({error.strerror}); make room and run this again, it goes on from here."
        ) from None


def to_half(values: Tensor):
    """Values (n, ...) as float16, and the rows that hold what is no number, or one too large; these become zeros."""
    largest = values.abs().flatten(1).amax(1)
    unusable = ~(largest <= torch.finfo(torch.float16).max)  # also where it is nan
    half = values.half()
    half[unusable] = 0
    return half.numpy(), np.flatnonzero(unusable)


def take_up(part: str | PathLike, made_from: dict, table: Any):
    """Card of what an earlier run left in the folder `part`, with the blocks that are sound; else of a new folder."""
    try:
        card = read_card(part)
        if made_from == {name: card[name] for name in made_from}:
            bad = damaged_blocks(part, card)
            sound = min(bad, default=len(card["sha256"]))
            below = sound * card["block"]
            return card | {"sha256": card["sha256"][:sound], "unusable": [i for i in card["unusable"] if i < below]}
    except (SurveyError, KeyError, ValueError, OSError):
        pass  # nothing there, or nothing of use
    shutil.rmtree(part, ignore_errors=True)
    count, *shape = made_from["shape"]
    need = count * row_bytes(shape)
    part.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(part.parent).free
    if free < 1.02 * need:
        raise SurveyError(
            f"{part}: the survey needs {need / 1e9:.2f} GB, but this disk has {free / 1e9:.2f} GB free; "
            "make room or name a folder on another disk."
        )
    with disk_errors_named(part):
        part.mkdir()
        (part / "labels.csv").write_text(table, encoding="utf-8", newline="")
        np.lib.format.open_memmap(part / "values.npy", "w+", np.float16, tuple(made_from["shape"]))
    card = made_from | {"sha256": [], "unusable": []}
    write_card(part, card)
    return card


def open_survey(folder: str | PathLike, check: bool = False):
    """Open a prepared survey.

    Parameters
    ----------
    folder : str or Path
    check : bool
        Read it all and compare every checksum: some seconds per GB.

    Returns
    -------
    Survey

    Raises
    ------
    SurveyError
        Where a file is missing, of the wrong size, or damaged.
    """
    folder = Path(folder)
    card = read_card(folder)
    try:
        table = (folder / "labels.csv").read_bytes()
        if hashlib.sha256(table).hexdigest() != card["labels_sha256"]:
            raise SurveyError(f"{folder}: labels.csv is damaged or was edited; delete the folder and prepare it again.")
        values = np.load(folder / "values.npy", mmap_mode="c")  # "c": a change stays in memory, the file is safe
        if list(values.shape) != card["shape"]:
            raise ValueError
    except (OSError, ValueError, EOFError) as error:
        if isinstance(error, SurveyError):
            raise
        raise SurveyError(f"{folder}: values.npy or labels.csv is not whole; delete it and prepare it again.") from None
    if check and (bad := damaged_blocks(folder, card)):
        first = bad[0] * card["block"]
        raise SurveyError(
            f"{folder}: {len(bad)} of {len(card['sha256'])} blocks differ from their checksums, first rows {first} to "
            f"{first + card['block'] - 1}; delete the folder and prepare it again."
        )
    labels = pd.read_csv(folder / "labels.csv", dtype={"id": str})
    labels["usable"] = ~np.isin(np.arange(len(labels)), card["unusable"])
    return Survey(torch.from_numpy(values), labels, card)


def damaged_blocks(folder: str | PathLike, card: Mapping):
    """Numbers of the blocks of `values.npy` that differ from the checksums on the card."""
    bad = []
    with (folder / "values.npy").open("rb") as file:
        file.seek(first_row(folder))
        for number, checksum in enumerate(card["sha256"]):
            block = file.read(card["block"] * row_bytes(card["shape"][1:]))
            if hashlib.sha256(block).hexdigest() != checksum:
                bad.append(number)
    return bad


def row_bytes(shape: Sequence[int]):
    """Bytes of one row of float16 values."""
    return 2 * int(np.prod(shape))


def first_row(folder: str | PathLike):
    """Byte at which the first row of `values.npy` begins."""
    return np.load(folder / "values.npy", mmap_mode="r").offset


def read_card(folder: str | PathLike):
    """Read the card of a survey."""
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        return card | {name: card[name] for name in ("shape", "block", "labels_sha256", "sha256", "unusable")}
    except (OSError, ValueError, TypeError, KeyError):
        raise SurveyError(f"{folder}: no prepared survey (no card.json that can be read); prepare it first.") from None


def write_card(folder: str | PathLike, card: Mapping):
    """Write the card, so that nobody ever reads half of it."""
    write_text(folder / "card.json", json.dumps(card))
