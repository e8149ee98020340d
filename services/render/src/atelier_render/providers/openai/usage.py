"""What an answer of OpenAI's Images API says it used. The SDK passes on whatever came: nothing of it is relied on."""

from openai.types import ImagesResponse

from atelier_render.usage import Usage, count_of


def image_usage(answer: object) -> tuple[Usage, bool]:
    """The usage, and whether OpenAI gave token counts: the DALL-E models and some servers of its format do not."""
    if not isinstance(answer, ImagesResponse):
        return Usage(), False
    outputs = len(answer.data) if isinstance(answer.data, list) else 0
    said = getattr(answer, "usage", None)
    if said is None:
        return Usage(outputs=outputs), False
    total_in, total_out = count_of(getattr(said, "input_tokens", None)), count_of(getattr(said, "output_tokens", None))
    given, made = getattr(said, "input_tokens_details", None), getattr(said, "output_tokens_details", None)
    # Tokens without details are counted as the dearer kind: images.
    text_in = min(count_of(getattr(given, "text_tokens", None)), total_in)
    text_out = min(count_of(getattr(made, "text_tokens", None)), total_out)
    usage = Usage(
        input_text_tokens=text_in,
        input_image_tokens=total_in - text_in,
        output_text_tokens=text_out,
        output_image_tokens=total_out - text_out,
        outputs=outputs,
    )
    return usage, bool(total_in or total_out)
