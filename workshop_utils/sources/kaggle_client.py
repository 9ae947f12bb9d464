"""Kaggle's own client, run in a process of its own, to log in and to find where a file lies.

    python -P kaggle_client.py datasets|competitions NAME FILE FOLDER SECONDS

The client prints, reads and closes stdin, exits, and waits for ever: here none of it reaches the learner's process. Its
own way to write a file takes the text of a server's error for a part of the file (version 2.2.4); so it only tells the
address, and `download.fetch` does the rest. The answer is one line of JSON on stdout.
"""

import contextlib
import io
import json
import os
import sys
from importlib import metadata
from pathlib import Path

KNOWS_TOKENS = (1, 8, 4)  # the first version that reads KAGGLE_API_TOKEN


def find_address(part, page, name, folder):
    """Ask Kaggle where a file lies.

    Parameters
    ----------
    part : str
        "datasets" or "competitions".
    page : str
        "owner/name" of the data set, or the name of the competition.
    name, folder : str
        The file, and where it is to lie.

    Returns
    -------
    dict
        Of strings: url, sent (name of the file that came), login (header "Authorization" or None). Or, where there is
        no address: fault ("missing", "old", "network", "credentials" or "refused"), kind of error, status of HTTP.
    """
    found = []

    def keep(response, outfile, *args, **kwargs):
        login = getattr(getattr(response, "request", None), "headers", {}).get("Authorization")  # none for storage
        url = getattr(response, "url", None) or response.geturl()
        found.append({"url": url, "sent": Path(outfile).name, "login": login})
        response.close()

    try:
        api = _logged_in()
    except ImportError:
        return {"fault": "missing"}
    except (Exception, SystemExit) as error:
        if _is_of_network(error):
            return {"fault": "network", **_described(error)}
        old = _version() < KNOWS_TOKENS and "KAGGLE_API_TOKEN" in os.environ
        return {"fault": "old" if old else "credentials", **_described(error)}
    api.download_file = keep
    options = {"path": folder, "force": True, "quiet": True}
    try:
        if part == "datasets":
            api.dataset_download_file(page, name, **options)
        else:
            api.competition_download_file(page, name, **options)
        return found[0]
    except (Exception, SystemExit) as error:  # many kinds; their text may hold signed addresses, so it stays here
        return {"fault": "refused", **_described(error)}


def _logged_in():
    """The client, logged in; the one of KAGGLE_API_ENVIRONMENT (TEST: localhost:7777), which KaggleApi passes over."""
    from kaggle.api.kaggle_api_extended import KaggleApi

    api = KaggleApi()
    if os.environ.get("KAGGLE_API_ENVIRONMENT"):
        from kagglesdk import KaggleClient

        def client():
            found = api.config_values.get  # filled while it logs in
            return KaggleClient(username=found("username"), password=found("key"), api_token=found("token"))

        api.build_kaggle_client = client
    api.authenticate()
    return api


def _is_of_network(error):
    import requests

    return isinstance(error, requests.exceptions.RequestException)


def _described(error):
    status = getattr(getattr(error, "response", None), "status_code", getattr(error, "status", None))
    return {"kind": type(error).__name__, "status": status}


def _version():
    """Of the kaggle package, as a tuple of numbers; infinite where it is not told."""
    try:
        return tuple(int(number) for number in metadata.version("kaggle").split(".")[:3])
    except (metadata.PackageNotFoundError, ValueError):
        return (float("inf"),)


def _give_up_after(seconds):
    """Let requests, which waits for ever as the client uses it, give up after so many seconds without data."""
    import requests

    send = requests.Session.send
    requests.Session.send = lambda *args, **kwargs: send(*args, **(kwargs | {"timeout": seconds}))


if __name__ == "__main__":
    *asked, seconds = sys.argv[1:]
    _give_up_after(float(seconds))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        answer = find_address(*asked)
    print(json.dumps(answer))
