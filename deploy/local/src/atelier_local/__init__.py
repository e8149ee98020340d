"""The local launcher and the atelier command."""
