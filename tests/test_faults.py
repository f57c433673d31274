"""The fault campaign, at full size."""

import pytest
from fault_campaign import campaign


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_fifty_kills_ten_stops_and_every_kind_of_harm_lose_nothing_and_change_nothing(tmp_path, capfd):
    assert campaign(tmp_path, seed=0, kills=50, stops=10) == []
