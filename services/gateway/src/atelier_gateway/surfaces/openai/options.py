"""Parameters that only OpenAI's API has: they reach a provider, or are refused where none would take them."""

from atelier_contracts import OpenAIOptions
from atelier_contracts.image_models import GPT_IMAGE_MODELS
from atelier_gateway.generations.image_models import INPUT_FIDELITIES, ResolvedModel
from atelier_gateway.surfaces.openai.requests import (
    OpenAIImageEditRequest,
    OpenAIImageRequest,
    OpenAIImageVariationRequest,
)
from atelier_gateway.web.problems import field_problem


def options_of(
    body: OpenAIImageRequest | OpenAIImageEditRequest | OpenAIImageVariationRequest, choice: ResolvedModel
) -> OpenAIOptions | None:
    """The options of the request; None without any. Raises Problem 400 for a value that the model does not know."""
    _check_file(body, choice)
    given = body.model_dump(include=set(OpenAIOptions.model_fields), exclude_none=True)
    maker = choice.successor or choice.model
    if given.get("moderation") == "low" and choice.provider != "openai":
        raise field_problem("moderation", f"{maker} has one level of moderation, auto")
    if (fidelity := given.get("input_fidelity")) is not None:
        known = INPUT_FIDELITIES.get(maker, ())
        if fidelity not in known:
            why = f"{maker} takes {' or '.join(known)}, not {fidelity}" if known else f"{maker} has no such parameter"
            raise field_problem("input_fidelity", why)
    return OpenAIOptions(**given) if given else None


def _check_file(
    body: OpenAIImageRequest | OpenAIImageEditRequest | OpenAIImageVariationRequest, choice: ResolvedModel
) -> None:
    """Raises Problem 400 for what the file or the model cannot hold."""
    if isinstance(body, OpenAIImageVariationRequest):
        return
    image_format, maker = body.output_format or "png", choice.successor or choice.model
    if body.output_compression is not None and image_format == "png":
        raise field_problem("output_compression", "a png is not compressed by quality; jpeg and webp are")
    if body.background == "transparent" and image_format == "jpeg":
        raise field_problem("background", "a jpeg cannot be transparent; png and webp can")
    if body.background == "transparent" and maker not in GPT_IMAGE_MODELS:
        raise field_problem("background", f"{maker} makes no transparent background; GPT image models do")
