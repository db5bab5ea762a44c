"""The ring's protocol, by exhaustion: tests/model/ring.pml says what is shown. That it can be found
wrong shows when a part is left out."""

import pytest

from spin import errors


def test_nothing_is_lost_and_nobody_sleeps_for_ever(tmp_path):
    assert errors("ring.pml", tmp_path) == 0


@pytest.mark.parametrize(
    "part",
    ["NO_HEAD_FENCE", "NO_TAIL_FENCE", "NO_RECEIVER_FENCE", "NO_SENDER_FENCE", "NO_RECHECK", "NO_SNAPSHOT", "HEED=4"],
)
def test_what_is_left_out_is_missed(tmp_path, part):
    assert errors("ring.pml", tmp_path, f"-D{part}") == 1


def test_what_is_published_to_who_stops_is_received_or_told(tmp_path):
    assert errors("ring_stop.pml", tmp_path) == 0


@pytest.mark.parametrize("part", ["NO_HEAD_FENCE", "NO_BELL_FENCE", "LOOK_FIRST"])
def test_what_is_left_out_of_stopping_is_missed(tmp_path, part):
    assert errors("ring_stop.pml", tmp_path, f"-D{part}") == 1
