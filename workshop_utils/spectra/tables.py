"""The first binary table of a FITS file, and nothing else of it.

Astropy reads any FITS file, and we let it, but of each file it makes hundreds of objects, and a folder of an archive
holds thousands of files of one simple layout. For these the standard (Pence et al. 2010, A&A 524, A42) is read here.
"""

import bz2
import gzip
import re

import numpy as np

BLOCK, CARD = 2880, 80  # bytes
FORMATS = {"E": ">f4", "D": ">f8", "J": ">i4", "K": ">i8", "I": ">i2", "B": "u1", "L": "S1"}


def first_table(path):
    """Columns of the first extension, a dict from names in small letters to arrays (n,) that are views of the file.

    Returns None for any other layout: a packed file, data in the primary HDU, an image, columns of arrays, or of
    numbers not as they are (scaled, or with one that stands for none).

    Raises
    ------
    EOFError, ValueError
        Where the file ends too early, or contradicts itself.
    """
    with open(path, "rb") as file:
        primary = read_header(file)
        if primary is None or primary.get("NAXIS", "0") != "0":
            return None
        header = read_header(file)
        if header is None or header.get("XTENSION") != "BINTABLE" or header.get("PCOUNT", "0") != "0":
            return None
        dtype = row_dtype(header)
        if dtype is None:
            return None
        if dtype.itemsize != int(header["NAXIS1"]):
            raise ValueError(f"rows of {header['NAXIS1']} bytes, but columns of {dtype.itemsize}")
        rows = np.fromfile(file, dtype, int(header["NAXIS2"]))
        size = file.seek(0, 2)
    if len(rows) < int(header["NAXIS2"]) or size % BLOCK:
        raise EOFError("the file ends too early")
    return {name: rows[name] for name in dtype.names}


def read_header(file):
    """Keywords and values, as text, of the header at which a file stands; None where there is none."""
    header = {}
    while True:
        block = file.read(BLOCK)
        if len(block) < BLOCK:
            return None
        for start in range(0, BLOCK, CARD):
            card = block[start : start + CARD].decode("latin-1")
            if card.startswith("END     "):
                return header
            if card[8:10] == "= ":
                header[card[:8].rstrip()] = card[10:].split("/")[0].strip(" '")


def row_dtype(header):
    """The dtype of a row by TTYPE and TFORM; None where a column holds arrays, text, or numbers not as they are."""
    fields = []
    for k in range(1, int(header["TFIELDS"]) + 1):
        form = re.fullmatch(r"1?([EDJKIBL])", header.get(f"TFORM{k}", ""))
        if form is None or {f"TSCAL{k}", f"TZERO{k}", f"TNULL{k}"} & set(header):
            return None
        fields.append((header.get(f"TTYPE{k}", "").lower(), FORMATS[form[1]]))
    return np.dtype(fields) if len(set(dict(fields))) == len(fields) else None


def read_to_the_end(path):
    """Unpack a packed file once; EOFError where it was cut off, which astropy would not say."""
    with open(path, "rb") as file:
        start = file.read(3)
    for magic, unpacked in ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open)):
        if start.startswith(magic):
            with unpacked(path) as file:
                while file.read(2**20):
                    pass
