"""The admin API, for operators alone: accounts, stores and keys, credits, operators and their acts."""
