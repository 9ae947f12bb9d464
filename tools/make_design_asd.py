"""Make data/design_asd.csv from the two full tables of LIGO document T2000012.

    python tools/make_design_asd.py aligo_O4high.txt avirgo_O4high_NEW.txt

The tables lie at https://dcc.ligo.org/LIGO-T2000012/public (columns: frequency in Hz, amplitude spectral density
in strain/sqrt(Hz)); the package gwfast ships the same files. Points that a straight line on doubly logarithmic axes
replaces within TOLERANCE are left out; lines of the spectrum keep theirs.
"""

import os
import sys
from pathlib import Path

import numpy as np

TOLERANCE = 0.003  # of the amplitude
LOW, HIGH = 10.0, 1024.0  # Hz: where the tables begin; the highest frequency in data taken 2,048 times a second
HEADER = """\
# Amplitude spectral density of the detectors' noise, in strain/sqrt(Hz): the design for observing run 4, "O4 high".
# Source: LIGO document T2000012, https://dcc.ligo.org/LIGO-T2000012/public: aligo_O4high.txt (H1, L1) and
# avirgo_O4high_NEW.txt (V1). Abbott et al. 2020, Living Reviews in Relativity 23, 3, 10.1007/s41114-020-00026-9.
# Thinned by tools/make_design_asd.py: linear interpolation of log asd in log frequency is within {worst:.1%} of it.
frequency,H1,L1,V1
"""


def thin(x, y, tolerance):
    """Ramer, Douglas and Peucker: the points whose polygon stays within ``tolerance`` of all y, shape (n, curves)."""
    keep = {0, len(x) - 1}
    todo = [(0, len(x) - 1)]
    while todo:
        first, last = todo.pop()
        share = ((x[first : last + 1] - x[first]) / (x[last] - x[first]))[:, None]
        distance = np.abs(y[first : last + 1] - y[first] - share * (y[last] - y[first])).max(1)
        worst = first + int(distance.argmax())
        if distance.max() > tolerance:
            keep.add(worst)
            todo += [(first, worst), (worst, last)]
    return sorted(keep)


def main(ligo, virgo):
    tables = [np.log(np.loadtxt(path)).T for path in (ligo, virgo)]
    x = np.unique(np.concatenate([table[0] for table in tables] + [np.log([LOW, HIGH])]))
    x = x[(x >= np.log(LOW)) & (x <= np.log(HIGH))]
    y = np.stack([np.interp(x, *table) for table in tables], 1)
    points = thin(x, y, TOLERANCE)
    frequency, asd = np.exp(x[points]), np.exp(y[points])
    lines = [f"{f:.7g},{a:.4e},{a:.4e},{b:.4e}\n" for f, (a, b) in zip(frequency, asd, strict=True)]
    stored = np.log(np.array([line.split(",") for line in lines], float)).T
    worst = max(np.abs(np.exp(np.interp(x, stored[0], stored[i]) - y[:, j]) - 1).max() for i, j in ((1, 0), (3, 1)))
    path = Path(__file__).resolve().parent.parent / "data" / "design_asd.csv"
    part = path.with_name(f"{path.name}.part")
    part.write_text(HEADER.format(worst=worst) + "".join(lines), encoding="utf-8")
    os.replace(part, path)
    print(f"{path}: {len(points)} of {len(x)} points, within {worst:.2%}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
