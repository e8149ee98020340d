"""What the whole-system tests share: where servers come from, and the running system in the hands of a test."""
