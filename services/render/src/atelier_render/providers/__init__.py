"""Who can make pictures, behind one small protocol."""
