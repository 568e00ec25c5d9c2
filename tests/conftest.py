import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Eventfold runs on asyncio; session scope, so that a fixture of any scope may await."""
    return "asyncio"
