"""Billing owns the ledger: accounts, holds, postings, grants."""
