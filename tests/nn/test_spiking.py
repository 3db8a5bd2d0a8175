import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_nn.nn.spiking import LeakyIntegrateAndFire

NEURON = LeakyIntegrateAndFire()


@given(st.floats(0, 200))
def test_all_or_nothing(drive):
    out = NEURON.run(drive)
    quiet = np.delete(out.voltage, out.spikes)
    assert (quiet < -55).all()
    assert (out.voltage[out.spikes] == 30.0).all()
    assert out.count == 0 or drive > 15


def test_below_threshold_it_approaches_rest_plus_drive_exponentially():
    v = LeakyIntegrateAndFire(step=0.001).run(10.0, steps=60_000).voltage
    t = 0.001 * np.arange(1, 60_001)
    np.testing.assert_allclose(v, -70 + 10 * (1 - np.exp(-t / 20)), atol=1e-3)


def test_firing_rate_equals_the_closed_form():
    """Gerstner et al., equation 5.34 without refractory time: the interval is tau ln(drive / (drive - 15))."""
    out = LeakyIntegrateAndFire(step=0.001).run(20.0, steps=200_000)
    np.testing.assert_allclose(np.diff(out.spikes) * 0.001, 20 * np.log(20 / 5), rtol=1e-3)


def test_a_drive_of_its_own_for_each_step():
    pulse = np.r_[np.zeros(10), np.full(30, 40.0), np.zeros(60)]
    out = NEURON.run(pulse)
    assert out.spikes.min() >= 10 and out.spikes.max() < 40
    assert out.voltage[-1] == pytest.approx(-70, abs=1)


def test_bad_settings():
    with pytest.raises(ValueError, match="rest < threshold < peak"):
        LeakyIntegrateAndFire(threshold=-80)
    with pytest.raises(ValueError, match="0 < step <= tau"):
        LeakyIntegrateAndFire(step=30)
    with pytest.raises(ValueError, match="at least one step"):
        NEURON.run(10, steps=0)
