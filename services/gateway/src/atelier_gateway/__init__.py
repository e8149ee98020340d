"""Gateway owns the HTTP surfaces, identity and the projection that answers status reads."""
