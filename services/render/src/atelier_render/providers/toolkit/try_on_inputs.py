"""Which photograph of a try-on shows the person, and which show garments."""

from atelier_render.providers.protocol import Failed, Input, ProviderJob


def person_and_garments(job: ProviderJob) -> tuple[Input, tuple[Input, ...]] | Failed:
    """The person is the input of that role, else the first; all others are garments, in their order (settled question
    7: person first, then garments)."""
    inputs = list(job.inputs)
    if len(inputs) < 2:
        return Failed("invalid_input", "a try-on needs the photo of a person and at least one of a garment")
    place = next((index for index, given in enumerate(inputs) if given.role == "person"), 0)
    person = inputs.pop(place)
    return person, tuple(inputs)
