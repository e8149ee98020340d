"""The block ``usage`` of OpenAI's Images API, with the fields of the SDK's ``ImagesResponse``: tokens of text and of
images, in and out."""

from typing import Any

SQUARE_TOKENS = {"low": 272, "medium": 1_056, "high": 4_160, "xhigh": 8_320, "max": 16_640}
"""Of one picture of 1024 x 1024, as OpenAI's guide counts them up to ``high``; the two above are ours. Other sizes in
proportion to their pixels."""
SQUARE = 1024 * 1024
UPLOAD_TOKENS = 323
"""Of one picture that comes with the request; the service counts by its size."""
CHARS_A_TOKEN = 4


def image_usage(prompt: str, uploads: int, size: tuple[int, int], quality: str, pictures: int) -> dict[str, Any]:
    """The usage of one request that made so many pictures."""
    text, images = -(-len(prompt) // CHARS_A_TOKEN), uploads * UPLOAD_TOKENS
    made = pictures * (SQUARE_TOKENS[quality] * size[0] * size[1] // SQUARE)
    return {
        "input_tokens": text + images,
        "input_tokens_details": {"image_tokens": images, "text_tokens": text},
        "output_tokens": made,
        "output_tokens_details": {"image_tokens": made, "text_tokens": 0},
        "total_tokens": text + images + made,
    }
