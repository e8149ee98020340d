"""How long it will take: measured, told, and judged when it is over."""
