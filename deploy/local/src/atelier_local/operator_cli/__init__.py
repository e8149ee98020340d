"""``atelier admin``: the commands of an operator, each one call of the admin API or of the broker."""
