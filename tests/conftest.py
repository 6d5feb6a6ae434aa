"""What several tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; tests that need it are skipped where a user's clone has none."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared/data, the real satellite data that only the project's own machines have")
    return SHARED


@pytest.fixture(scope="session")
def sample_tiles() -> Path:
    """The simulated county that ships with the project."""
    return ROOT / "data" / "sample_tiles"
