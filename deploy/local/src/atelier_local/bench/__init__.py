"""``atelier bench``: whole generations a second, beside the floor that the database alone sets."""
