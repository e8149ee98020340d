"""The ICC profile of sRGB that outputs carry: the same bytes in every process, and no image library to have them.

The file is Little CMS's own profile, dated 1 January 2000.
"""

from pathlib import Path

SRGB_PROFILE = Path(__file__).with_name("srgb.icc").read_bytes()
