"""Shapes are checked in the tests; a notebook whose kernel takes more memory than a free Binder gives fails."""

import jaxtyping

jaxtyping.install_import_hook("workshop_utils", "checked.checked")  # before anything imports the package

import pytest  # noqa: E402
from run_course import MEMORY, peak_memory  # noqa: E402


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item, nextitem):
    """Look at the kernel after the last cell of each notebook, before it is stopped."""
    kernel = getattr(item.parent, "kernel", None)
    last = kernel and kernel.is_alive() and getattr(nextitem, "parent", None) is not item.parent
    peak = peak_memory(kernel.km.provisioner.pid) if last else 0
    yield
    assert peak < MEMORY, f"{item.parent.name}: the kernel took {peak:.2f} GB of memory, more than {MEMORY} GB"
