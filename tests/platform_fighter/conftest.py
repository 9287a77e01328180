"""A match of the kernels in which both fighters stand."""

import pytest

from tests.platform_fighter.driver import Driver


@pytest.fixture
def driver() -> Driver:
    """Fighter 0 stands on the right floor at x = 5, fighter 1 on the left one."""
    driver = Driver()
    driver.stand()
    return driver
