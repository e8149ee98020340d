"""Our own URLs are distinguished from foreign ones by parsed parts, never by prefix or substring."""

from uuid import UUID

import pytest
from pydantic import SecretStr

from atelier_storage.keys import upload_key
from atelier_storage.objects import ObjectStore
from atelier_storage.settings import StorageSettings

KEY = upload_key("store", UUID(int=1), UUID(int=2), "me.jpg")


@pytest.fixture(scope="module")
def store() -> ObjectStore:
    return ObjectStore(
        StorageSettings(
            endpoint="http://minio:9000",
            public_endpoint="https://files.example.com",
            access_key="a",
            secret_key=SecretStr("b"),
            upload_access_key="u",
            upload_secret_key=SecretStr("p"),
            bucket="pictures",
        )
    )


def test_what_is_presigned_here_is_known_again(store: ObjectStore) -> None:
    assert store.key_of(store.presign_get(KEY, 60)) == KEY
    assert store.presign_get(KEY, 60).startswith("https://files.example.com/pictures/stores/")
    assert store.key_of(store.presign_put(KEY, "image/jpeg", 60).url) == KEY


@pytest.mark.parametrize(
    "url",
    [
        f"http://minio:9000/pictures/{KEY}",
        f"https://FILES.example.com./pictures/{KEY}?X-Amz-Signature=x#top",
        f"https://files.example.com:443/pictures/{KEY}",
        f"https://pictures.files.example.com/{KEY}",
        f"https://files.example.com//pictures/{KEY}",
        f"https://files.example.com/%70ictures/{KEY.replace('/', '%2F')}",
    ],
)
def test_every_spelling_of_our_address_gives_the_key(store: ObjectStore, url: str) -> None:
    assert store.key_of(url) == KEY


def test_an_endpoint_may_be_an_ipv6_address() -> None:
    settings = StorageSettings(
        endpoint="http://[::1]:9000", access_key="a", secret_key=SecretStr("b"), bucket="pictures"
    )

    assert ObjectStore(settings).key_of(f"http://[::1]:9000/pictures/{KEY}") == KEY
    assert ObjectStore(settings).key_of(f"http://[0:0::0001]:9000/pictures/{KEY}") == KEY


@pytest.mark.parametrize(
    "url",
    [
        f"https://files.example.com/other-bucket/{KEY}",
        f"https://files.example.com/{KEY}",
        "https://files.example.com/pictures/",
        "https://files.example.com/",
        f"https://files.example.com/pictures/%252e%252e/{KEY}",
        f"https://files.example.com/pictures/x/../{KEY}",
    ],
)
def test_our_address_without_one_of_our_keys_names_nobodys_object(store: ObjectStore, url: str) -> None:
    assert store.key_of(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        f"https://files.example.com.evil.net/pictures/{KEY}",
        f"https://evil.net/files.example.com/pictures/{KEY}",
        f"https://evil.net/?u=https://files.example.com/pictures/{KEY}",
        f"https://files.example.com@evil.net/pictures/{KEY}",
        f"https://files.example.com\\@evil.net/pictures/{KEY}",
        f"https://files.example.com:8443/pictures/{KEY}",
        f"ftp://files.example.com/pictures/{KEY}",
        KEY,
        "",
    ],
)
def test_a_url_that_leads_elsewhere_is_not_ours(store: ObjectStore, url: str) -> None:
    assert store.key_of(url) is None
