"""Machine-readable marks that say how an output was made: XMP or tags, and a signed C2PA manifest."""
