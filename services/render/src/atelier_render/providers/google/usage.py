"""What an answer of the Gemini API says it used."""

from collections.abc import Sequence

from google.genai import types

from atelier_render.usage import Usage, count_of


def content_usage(answer: types.GenerateContentResponse) -> tuple[Usage, bool]:
    """The usage, and whether Google gave token counts. Thoughts are output of text, as they are priced."""
    pictures = sum(1 for part in answer.parts or () if part.inline_data)
    said = answer.usage_metadata
    if said is None:
        return Usage(outputs=pictures), False
    total_in, total_out = count_of(said.prompt_token_count), count_of(said.candidates_token_count)
    images_in = min(_images(said.prompt_tokens_details), total_in)
    # Without details what these models put out is a picture.
    images_out = (
        min(_images(said.candidates_tokens_details), total_out) if said.candidates_tokens_details else total_out
    )
    usage = Usage(
        input_text_tokens=total_in - images_in,
        input_image_tokens=images_in,
        output_text_tokens=total_out - images_out + count_of(said.thoughts_token_count),
        output_image_tokens=images_out,
        outputs=pictures,
    )
    return usage, bool(total_in or total_out)


def _images(details: Sequence[types.ModalityTokenCount] | None) -> int:
    return sum(count_of(each.token_count) for each in details or () if each.modality == types.MediaModality.IMAGE)
