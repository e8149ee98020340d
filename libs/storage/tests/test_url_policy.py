"""What is refused before anything is resolved: the ways in which an internal address gets written."""

import pytest

from atelier_storage.ip_policy import is_public, parse_address
from atelier_storage.url_policy import HttpTarget, parse_url, refuse_url

REFUSED = {
    # loopback, in every spelling a resolver or browser takes
    "http://127.0.0.1/": "internal_address",
    "http://127.0.0.1./": "internal_address",
    "http://127.255.255.254/": "internal_address",
    "http://2130706433/": "odd_address",
    "http://0x7f000001/": "odd_address",
    "http://0x7f.0.0.1/": "odd_address",
    "http://0x7F.1/": "odd_address",
    "http://017700000001/": "odd_address",
    "http://0177.0.0.1/": "odd_address",
    "http://127.1/": "odd_address",
    "http://127.0.1/": "odd_address",
    "http://127.0.0.01/": "odd_address",
    "http://127.0.0.1.1/": "odd_address",
    "http://127.0.0.256/": "odd_address",
    "http://0/": "odd_address",
    "http://0x/": "odd_address",
    "http://example.com.0x7f/": "odd_address",
    "http://[::1]/": "internal_address",
    "http://[::]/": "internal_address",
    "http://[0:0:0:0:0:0:0:1]/": "internal_address",
    "http://127.0.0.1%2f@example.com/": "malformed_url",
    "http://①②⑦.⓪.⓪.①/": "malformed_url",
    "http://127。0。0。1/": "malformed_url",
    # IPv4 inside IPv6
    "http://[::ffff:127.0.0.1]/": "internal_address",
    "http://[::ffff:7f00:1]/": "internal_address",
    "http://[::ffff:a9fe:a9fe]/": "internal_address",
    "http://[::127.0.0.1]/": "internal_address",
    "http://[64:ff9b::10.0.0.1]/": "internal_address",
    "http://[64:ff9b::a9fe:a9fe]/": "internal_address",
    "http://[64:ff9b:1::8.8.8.8]/": "internal_address",
    "http://[2002:7f00:1::]/": "internal_address",
    "http://[2002:808:808::1]/": "internal_address",
    "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/": "internal_address",
    # private, link-local, metadata, shared, special
    "http://0.0.0.0/": "internal_address",
    "http://10.1.2.3/": "internal_address",
    "http://172.31.255.255/": "internal_address",
    "http://192.168.0.1/": "internal_address",
    "http://169.254.169.254/latest/meta-data/": "internal_address",
    "http://169.254.170.2/": "internal_address",
    "http://168.63.129.16/": "internal_address",
    "http://100.64.0.1/": "internal_address",
    "http://100.100.100.200/": "internal_address",
    "http://192.0.0.192/": "internal_address",
    "http://192.88.99.1/": "internal_address",
    "http://198.18.0.1/": "internal_address",
    "http://203.0.113.7/": "internal_address",
    "http://224.0.0.1/": "internal_address",
    "http://240.0.0.1/": "internal_address",
    "http://255.255.255.255/": "internal_address",
    "http://[fe80::1]/": "internal_address",
    "http://[fec0::1]/": "internal_address",
    "http://[fd00:ec2::254]/": "internal_address",
    "http://[ff02::1]/": "internal_address",
    "http://[100::1]/": "internal_address",
    "http://[2001:db8::1]/": "internal_address",
    "http://[3fff::1]/": "internal_address",
    "http://[5f00::1]/": "internal_address",
    "http://[fe80::1%25eth0]/": "malformed_url",
    # names
    "http://localhost/": "internal_name",
    "http://LOCALHOST./": "internal_name",
    "http://a.localhost/": "internal_name",
    "http://gateway/": "internal_name",
    "http://metadata.google.internal/": "internal_name",
    "http://printer.local/": "internal_name",
    "http://billing.default.svc.cluster.local/": "internal_name",
    "http://nas.home.arpa/": "internal_name",
    "http://wiki.corp/": "internal_name",
    "http://a..b.com/": "malformed_url",
    "http://-a.com/": "malformed_url",
    "http://bücher.example.com/": "malformed_url",
    # the rest of the URL
    "ftp://example.com/": "scheme",
    "file:///etc/passwd": "scheme",
    "gopher://127.0.0.1:6379/_": "scheme",
    "data:image/png;base64,AAAA": "scheme",
    "//example.com/a.png": "scheme",
    "example.com/a.png": "scheme",
    "": "malformed_url",
    "http:///a.png": "malformed_url",
    "http://": "malformed_url",
    "http://user@example.com/": "credentials_in_url",
    "http://user:pass@example.com/": "credentials_in_url",
    "http://example.com@127.0.0.1/": "credentials_in_url",
    "http://@example.com/": "credentials_in_url",
    "http://example.com:22/": "port",
    "http://example.com:8080/": "port",
    "http://example.com:0/": "port",
    "http://example.com:65536/": "malformed_url",
    "http://example.com:http/": "malformed_url",
    "http://example.com\\@127.0.0.1/": "malformed_url",
    "http://exa\tmple.com/": "malformed_url",
    "http://example.com/\r\nHost: x": "malformed_url",
    " http://example.com/": "malformed_url",
    "http://example.com/\ud800": "malformed_url",
    "http://[::1/": "malformed_url",
    "http://[v1.fe]/": "malformed_url",
    "http://example.com/" + "a" * 4096: "malformed_url",
}


@pytest.mark.parametrize(("url", "code"), REFUSED.items())
def test_a_plainly_internal_or_odd_url_is_refused(url: str, code: str) -> None:
    refusal = refuse_url(url)

    assert refusal is not None
    assert refusal.code == code
    assert refusal.message.endswith(".")


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a.png",
        "http://example.com:80/a.png",
        "HTTPS://Res.Cloudinary.com/x/image/upload/a.png?sig=%2F#top",
        "https://my_bucket.s3.eu-west-1.amazonaws.com/stores/a.jpg",
        "https://xn--bcher-kva.example.com/",
        "https://localhost.example.com/",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/",
        "https://[64:ff9b::808:808]/",
        "https://[::ffff:8.8.8.8]/",
        "https://127.0.0.1.nip.io/",  # only its address tells: refused when fetched
    ],
)
def test_a_url_that_may_be_public_is_not_refused_yet(url: str) -> None:
    assert refuse_url(url) is None


def test_an_allowed_host_is_that_host_and_port_only() -> None:
    loopback_allow_list = frozenset({"127.0.0.1:8080", "[::1]:80"})

    assert refuse_url("http://127.0.0.1:8080/a.png", allow_hosts=loopback_allow_list) is None
    assert refuse_url("http://[::1]/a.png", allow_hosts=loopback_allow_list) is None

    for url in (
        "http://127.0.0.1:8081/",
        "http://127.0.0.2:8080/",
        "ftp://127.0.0.1:8080/",
        "http://a@127.0.0.1:8080/",
    ):
        assert refuse_url(url, allow_hosts=loopback_allow_list) is not None


@pytest.mark.parametrize(
    ("url", "authority", "request_path"),
    [
        ("http://Example.com", "example.com", "/"),
        ("https://example.com:443/a b".replace(" ", "%20"), "example.com", "/a%20b"),
        ("http://example.com:443/?q=1#f", "example.com:443", "/?q=1"),
        ("http://[2606:4700::1111]/é?ü=[1]", "[2606:4700::1111]", "/%C3%A9?%C3%BC=[1]"),
    ],
)
def test_a_target_goes_on_the_wire_as_plain_ascii(url: str, authority: str, request_path: str) -> None:
    target = parse_url(url)

    assert isinstance(target, HttpTarget)
    assert (target.authority, target.request_path) == (authority, request_path)


@pytest.mark.parametrize("text", ["1.1.1.1", "9.9.9.9", "172.32.0.1", "100.128.0.1", "2a00:1450:4007::1"])
def test_ordinary_addresses_are_public(text: str) -> None:
    address = parse_address(text)

    assert address is not None
    assert is_public(address)
