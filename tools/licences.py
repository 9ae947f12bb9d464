"""Check the licences of everything that installing the course brings, tests included: `make audit`.

    python tools/licences.py

Prints each package with its licence; fails where one is neither permissive nor in EXCEPTIONS, with the reason there.
"""

import importlib.metadata
import re
import sys

from packaging.requirements import Requirement

PACKAGE = "workshop_utils"
PERMISSIVE = [
    r"MIT(-0|-CMU)?",
    r"(0|[23]-Clause )?BSD",
    r"BSD[- ][23]-Clause",
    "Apache-2.0( WITH LLVM-exception)?",
    "ISC",
    r"PSF(-2.0|L)?",
    "Python Software Foundation",
    r"Zlib",
    r"CC0-1.0",
    r"CC-BY-4.0",
    r"BSL-1.0",
    "Unlicense",
    "HPND",
    "Apache( Software)?( 2.0)?",
    "ISCL",
    "MPL-2.0",
    r"Mozilla Public License 2.0( MPL 2.0)?",  # asks to publish changes to its own files; we change none
]
EXCEPTIONS = {
    "text-unidecode": "Artistic or GPL, as one chooses: Artistic. The kaggle package needs it; no part of it is copied",
    "lalsuite": "GPL: an independent reference in tests only; the course neither imports nor ships it",
    "lscsoft-glue": "GPL: lalsuite needs it, in tests only",
    "igwn-ligolw": "GPL: lalsuite needs it, in tests only",
    "igwn-segments": "GPL: lalsuite needs it, in tests only",
    "ligo-segments": "GPL: lalsuite needs it, in tests only",
}
NVIDIA = "proprietary, free to use: CUDA, which torch brings on Linux with an NVIDIA GPU; torch works without"


def judge(licence):
    """Whether an expression of licences is permissive: all that AND joins, any that OR joins; else None."""
    words = licence.replace("(", " ").replace(")", " ")
    choices = [re.split(r" AND |, ", choice) for choice in re.split(r" OR ", words)]
    for choice in choices:
        if all(any(re.fullmatch(known, " ".join(one.split())) for known in PERMISSIVE) for one in choice):
            return licence
    return None


def licence_of(package):
    """Licence as the package states it: the expression, else the classifiers, else the first line of the text."""
    about = importlib.metadata.metadata(package)
    classified = [line.split(" :: ")[-1] for line in about.get_all("Classifier") or [] if line.startswith("License ::")]
    classified = [re.sub(r" License( \(\w+\))?$", "", name) for name in classified if name != "OSI Approved"]
    text = (about.get("License") or "").strip().split("\n")[0].split(" :: ")[-1]
    text = re.sub(r",? (License|licen[cs]e)\b(, Version)?|^The ", "", text)
    return about.get("License-Expression") or " AND ".join(classified) or text or "unknown"


def needed(package, extras=("test",)):
    """Names of all installed packages that `package` needs, and theirs."""
    found, rest = {}, [(package, frozenset(extras))]
    while rest:
        name, wanted = rest.pop()
        if wanted <= found.get(name, frozenset()) and name in found:
            continue
        found[name] = found.get(name, frozenset()) | wanted
        for line in importlib.metadata.requires(name) or []:
            need = Requirement(line)
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ("", *wanted)):
                key = re.sub(r"[-_.]+", "-", need.name).lower()
                try:
                    importlib.metadata.metadata(key)
                except importlib.metadata.PackageNotFoundError:
                    continue  # of another system or version
                rest.append((key, frozenset(need.extras)))
    return sorted(found.keys() - {package})


def main():
    """Print the table; 0 where all is well, else 1."""
    bad = 0
    for name in needed(PACKAGE):
        licence = licence_of(name)
        reason = EXCEPTIONS.get(name) or (NVIDIA if name.startswith(("nvidia-", "cuda-")) else None)
        ok = judge(licence) or reason
        bad += not ok
        version = importlib.metadata.version(name)
        print(f"{name:28}{version:18}{licence[:60]}" + (f"  [{reason}]" if reason else "" if ok else "  NOT ALLOWED"))
    print(f"{bad} packages under a licence that is not allowed" if bad else "all licences are allowed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
