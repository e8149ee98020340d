"""Which release this is; ``pyproject.toml`` says the same."""

VERSION = "0.1.0"
USER_AGENT = f"atelier-client-python/{VERSION}"
