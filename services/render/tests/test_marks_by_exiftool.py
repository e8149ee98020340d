"""exiftool reads how pictures were made. It is Debian's package libimage-exiftool-perl; `make test` sets it up."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from atelier_contracts import RenderSpec
from atelier_imaging import Analysis, ImageFormat
from atelier_imaging.analysis import analyse
from atelier_imaging.encoder import encode
from atelier_imaging.pictures import CONTENT_TYPES
from atelier_render.outputs.analysis import Output
from atelier_render.provenance.identity import make_identity
from atelier_render.provenance.marker import Marker, Origin
from atelier_render.provenance.source_types import TRAINED

from .support.marks import source_type_by_exiftool

pytestmark = pytest.mark.stack


@pytest.mark.parametrize("image_format", CONTENT_TYPES)
async def test_a_picture_and_its_thumbnail_say_how_they_were_made(image_format: ImageFormat, tmp_path: Path) -> None:
    made = encode(np.asarray(Image.linear_gradient("L").convert("RGB")), image_format)
    found = analyse(made.data)
    assert isinstance(found, Analysis)
    output = Output(made.data, made.content_type, made.width, made.height, found.thumbnail)
    marker = Marker(make_identity())

    (done,) = await marker.mark([output], Origin("openai", None, RenderSpec(kind="image", prompt="a cat")))

    marker.close()
    assert source_type_by_exiftool(made.data, tmp_path) is None
    assert source_type_by_exiftool(done.data, tmp_path) == TRAINED
    assert source_type_by_exiftool(done.thumbnail or b"", tmp_path) == TRAINED
