"""The two lanes of an auto: connection, by exhaustion: tests/model/auto.pml says what is shown. That it can
be found wrong shows when a part is left out."""

import pytest

from spin import errors


def test_all_arrives_once_in_order_and_nobody_sleeps_for_ever(tmp_path):
    assert errors("auto.pml", tmp_path) == 0


@pytest.mark.parametrize(
    "part",
    ["MARK_AFTER", "NO_SECOND_LOOK", "NO_RECHECK", "NO_HEAD_FENCE", "NO_BELL_FENCE"]
    + ["NO_LAST_LOOK", "NO_SPARE", "NO_BACK"],
)
def test_what_is_left_out_is_missed(tmp_path, part):
    assert errors("auto.pml", tmp_path, f"-D{part}") == 1
