"""Fixtures of the tests with other people's programs."""

import pytest

from manager import Manager, why_not


@pytest.fixture
def manager(start, runtime_dir):
    """A systemd of our own; see manager.py."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    manager = Manager(start, runtime_dir)
    try:
        manager.wait()
        yield manager
    finally:
        manager.end()
