"""XMP that says how a picture was made, by IPTC's digital source type; needs no image library.

Source: XMP Specification part 1, IPTC Photo Metadata Standard 2023.1 (Digital Source Type).
"""

import re
from xml.sax.saxutils import quoteattr

_NAMESPACES = (
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
    ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
)
_END = b"</rdf:RDF>"
_SOURCE_TYPE = re.compile(
    rb"Iptc4xmpExt:DigitalSourceType[^:]{1,16}(http://cv\.iptc\.org/newscodes/digitalsourcetype/\w+)"
)
"""As an attribute, an element, or a resource."""


def xmp_packet(source: str, tool: str, present: bytes | None = None) -> bytes:
    """A whole packet; ``present`` with one more description, where it is one that can be added to."""
    said = (
        f'<rdf:Description rdf:about="" {_NAMESPACES} Iptc4xmpExt:DigitalSourceType={quoteattr(source)}'
        f" xmp:CreatorTool={quoteattr(tool)}/>"
    )
    if present is not None and present.count(_END) == 1:
        return present.replace(_END, said.encode() + _END)
    begin = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    rdf = f"<rdf:RDF {_NAMESPACES}>{said}</rdf:RDF>"
    return f'{begin}<x:xmpmeta xmlns:x="adobe:ns:meta/">{rdf}</x:xmpmeta><?xpacket end="r"?>'.encode()


def source_type_in(data: bytes) -> str | None:
    """The digital source type that a picture's own XMP says; None where it says none, or packs it."""
    found = _SOURCE_TYPE.search(data)
    return found[1].decode() if found else None
