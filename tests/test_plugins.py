"""Methods of other packages: found by their entry points, and told apart by the version of their package."""

from types import SimpleNamespace

import pytest

from cpbench.benchmark.errors import CpbenchError
from cpbench.benchmark.plan.planner import Planner
from cpbench.benchmark.scoring.profiles import load_profile
from cpbench.methods import registry
from cpbench.methods.registry import choose


@pytest.fixture
def publish(monkeypatch):
    """Publishes one method of a package; ``loaded`` may be an error."""

    def published(version="1.0", loaded=lambda backbone, seed: None, dist=True):
        def load():
            if isinstance(loaded, Exception):
                raise loaded
            return loaded

        package = SimpleNamespace(name="theirs", version=version) if dist else None
        point = SimpleNamespace(name="their-method", value="theirs:make", load=load, dist=package)
        monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == registry.GROUP else [])

    return published


def test_a_new_version_of_a_package_is_another_method_whose_states_are_not_found(publish, suite):
    planner = Planner(suite, load_profile("toybox"), "tiny", "w", "cpu", "float32", {})
    keys = []
    for version in ("1.0", "1.0", "1.1"):
        publish(version)
        (method,) = choose("their-method", {})
        assert method.options == {"factory": "theirs:make", "package": f"theirs {version}"}
        keys.append(planner.trains(method, (0,), 0)[0].key)
    assert keys[0] == keys[1] != keys[2]


def test_a_method_of_no_package_is_told_by_its_factory_alone(publish):
    publish(dist=False)
    assert choose("their-method", {})[0].options == {"factory": "theirs:make"}


def test_a_method_that_cannot_be_loaded_is_told_with_its_owner(publish):
    publish(loaded=ImportError("no module named theirs"))
    with pytest.raises(CpbenchError, match=r"'their-method' \(theirs:make\) cannot be loaded: ImportError"):
        choose("their-method", {})
