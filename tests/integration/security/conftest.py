from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.security.estate import Estate, Owner, open_estate


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def estate(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Estate]:
    """Everything, for the file; `jwks` as its parameter has a provider sign the users' tokens."""
    async with open_estate(
        tmp_path_factory.mktemp("estate"), jwks=getattr(request, "param", "secret") == "jwks"
    ) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ada(estate: Estate) -> Owner:
    """Whose everything is."""
    return estate.owner("ada")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def eve(estate: Estate) -> Owner:
    """Somebody else, with a token as good."""
    return estate.owner("eve")
