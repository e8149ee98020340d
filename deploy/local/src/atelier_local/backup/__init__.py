"""Backup and restore: four databases at one cut, the bucket, the keys, the subscribers' broker users."""
