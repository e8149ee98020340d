"""Inputs: own uploads by key or URL, foreign URLs out in the world, and nothing of anybody else's."""

from uuid import uuid4

import pytest

from atelier_contracts import InputRef, Owner
from atelier_gateway.generations import input_rules
from atelier_gateway.media.input_references import RequestedInput, input_reference
from atelier_gateway.web.problems import Problem
from atelier_storage.keys import upload_key
from atelier_storage.objects import ObjectStore
from atelier_storage.settings import StorageSettings

STORE = Owner(kind="store", id=uuid4())
OTHER = Owner(kind="store", id=uuid4())
NAMESAKE = Owner(kind="user", id=STORE.id)


@pytest.fixture(scope="module")
def objects() -> ObjectStore:
    """Never called: signing and reading URLs needs no server."""
    settings = StorageSettings(endpoint="http://127.0.0.1:9000", access_key="a", secret_key="s", bucket="pictures")
    return ObjectStore(settings)


def read(text: str, objects: ObjectStore) -> InputRef:
    return input_reference(RequestedInput("image_urls.0", "person", text), STORE, objects.key_of)


def test_an_own_key_is_an_own_key_however_it_is_written(objects: ObjectStore) -> None:
    key = upload_key("store", STORE.id, uuid4(), "me.png")

    assert read(key, objects) == InputRef(role="person", key=key)
    assert read(objects.presign_get(key, 60), objects) == InputRef(role="person", key=key)


def test_a_foreign_url_stays_a_url(objects: ObjectStore) -> None:
    url = "https://cdn.shop-pictures.net/a.png?width=300"

    assert read(url, objects) == InputRef(role="person", url=url)


@pytest.mark.parametrize("owner", [OTHER, NAMESAKE])
def test_another_tenants_key_is_refused_in_the_words_of_an_unknown_one(objects: ObjectStore, owner: Owner) -> None:
    key = upload_key(owner.kind, owner.id, uuid4(), "me.png")
    refusals = []

    for text in (
        key,
        objects.presign_get(key, 60),
        "stores/nobody/uploads/nothing.png",
        "http://127.0.0.1:9000/pictures/",
    ):
        with pytest.raises(Problem) as refused:
            read(text, objects)
        refusals.append((refused.value.status, refused.value.detail))

    assert set(refusals) == {(400, "image_urls.0: There is no such upload.")}


@pytest.mark.parametrize(
    "text",
    ["http://127.0.0.1/a.png", "http://169.254.169.254/latest/meta-data", "http://[::ffff:10.0.0.1]/a.png",
     "http://2130706433/a.png", "http://localhost/a.png", "http://metadata.google.internal/", "https://u:p@cdn.net/a.png",
     "ftp://cdn.net/a.png", "file:///etc/passwd", "http://cdn.net:22/", "http://cdn.net/a b", "../../etc/passwd", "x"],
)  # fmt: skip
def test_what_is_plainly_internal_or_malformed_is_refused_at_once(objects: ObjectStore, text: str) -> None:
    with pytest.raises(Problem) as refused:
        read(text, objects)

    assert refused.value.status == 400
    assert refused.value.details["errors"][0]["field"] == "image_urls.0"


def test_a_try_on_needs_one_person_and_a_garment() -> None:
    input_rules.check_inputs("try_on", ["person", "garment", "garment"], None)

    for roles in ([], ["person"], ["garment"], ["person", "person", "garment"], ["person", "garment", "product"]):
        with pytest.raises(Problem, match="inputs"):
            input_rules.check_inputs("try_on", roles, None)  # type: ignore[arg-type]


def test_words_are_needed_where_words_are_the_input() -> None:
    input_rules.check_inputs("image", [], "a cat")

    for kind in ("image", "narration"):
        with pytest.raises(Problem, match="prompt"):
            input_rules.check_inputs(kind, [], "  ")
