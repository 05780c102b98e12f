import os
import signal

import postgres as servers
import pytest

# The arrays of the tests are tiny: more threads only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Runs of the command line that do not say how many workers they want have none.
os.environ.setdefault("LOKY_MAX_CPU_COUNT", "1")
os.environ.pop("COLUMNS", None)  # tests say themselves how wide a table may be
pytest.register_assert_rewrite("lionheart_opt.testing")

#: Files that take longest. They come first: at the end, nobody waits for one of them alone.
LONGEST = (
    "test_examples.py",
    "test_readme.py",
    "test_main.py",
    "test_two_drivers.py",
    "test_executors.py",
    "test_analog_network.py",
    "test_signals.py",
    "test_scripts.py",
    "test_outages.py",
    "test_cluster.py",
    "test_unwritten.py",
    "test_old_records.py",
    "test_own_modules.py",
    "test_text.py",
    "test_fuzz.py",
)


def pytest_collection_modifyitems(items):
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(LONGEST)))


@pytest.fixture(autouse=True)
def signals_stay_as_they_are():
    """A verb that a signal ends leaves signals ignored; the process of the tests goes on."""
    numbers = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server that runs."""
    if lacks := servers.missing():
        pytest.skip(lacks)
    server = servers.Server()
    try:
        server.start()
        yield server
    finally:
        server.remove()
