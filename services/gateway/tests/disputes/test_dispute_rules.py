"""The rules over the evidence, and the measures of sound."""

import pytest

from atelier_gateway.disputes import sound
from atelier_gateway.disputes.rules import Check, CheckResult, OutputEvidence, Policy, Verdict, decide

from ..support.disputes import tone


def evidence(*results: CheckResult) -> list[OutputEvidence]:
    """One output a result."""
    return [OutputEvidence(at, (Check("opens", result, ""),)) for at, result in enumerate(results)]


@pytest.mark.parametrize(
    ("results", "policy", "refunds", "verdict"),
    [
        (("wrong",), "evidence", 0, Verdict("refund", "broken_output", (0,))),
        (("right", "wrong"), "evidence", 0, Verdict("refund", "broken_output", (1,))),
        (("right", "wrong"), "review", 19, Verdict("refund", "broken_output", (1,))),
        (("wrong",), "evidence", 20, Verdict("review", "monthly_limit")),
        (("right", "right"), "evidence", 0, Verdict("decline", "nothing_wrong")),
        (("right", "right"), "review", 0, Verdict("review", "left_to_operator")),
        (("wrong", "unknown"), "evidence", 0, Verdict("review", "not_examined")),
    ],
)
def test_the_rules_decide_by_evidence_alone(
    results: tuple[CheckResult, ...], policy: Policy, refunds: int, verdict: Verdict
) -> None:
    assert decide(evidence(*results), policy=policy, refunds=refunds, refunds_max=20) == verdict


@pytest.mark.parametrize("loudness", [0.0, 0.25])
def test_a_wav_is_measured_in_length_and_loudness(loudness: float) -> None:
    found = sound.measure(tone(2, loudness=loudness))

    assert found.seconds == pytest.approx(2)
    assert found.peak == pytest.approx(loudness * 32_000 / 32_768, abs=0.01)


@pytest.mark.parametrize("data", [b"", b"RIFF\0\0\0\0WAVE", b"<html>no sound</html>", b"ID3\x03\0\0\0\0\0\x05hello"])
def test_what_cannot_be_played_is_no_sound(data: bytes) -> None:
    with pytest.raises(sound.NotSound):
        sound.measure(data)


def test_a_wav_that_is_not_plain_pcm_is_not_judged() -> None:
    data = bytearray(tone(1))
    data[20:22] = (3).to_bytes(2, "little")  # floating point

    with pytest.raises(sound.NotMeasured):
        sound.measure(bytes(data))


def frame(version: int, bitrate: int, rate: int, length: int) -> bytes:
    """An MP3 frame of layer III with silence in it."""
    head = 0x7FF << 21 | version << 19 | 1 << 17 | 1 << 16 | bitrate << 12 | rate << 10
    return head.to_bytes(4, "big") + bytes(length - 4)


@pytest.mark.parametrize(
    ("one", "seconds"),
    [(frame(3, 9, 0, 417), 1152 / 44_100), (frame(2, 8, 1, 192), 576 / 24_000), (frame(0, 4, 2, 288), 576 / 8_000)],
    ids=["MPEG-1", "MPEG-2", "MPEG-2.5"],
)
def test_an_mp3_is_as_long_as_its_whole_frames(one: bytes, seconds: float) -> None:
    tag = b"ID3\x04\0\0\0\0\x01\x00" + bytes(128)

    whole, cut = sound.measure(tag + one * 100), sound.measure(one * 100 + one[:50])

    assert whole.seconds == cut.seconds == pytest.approx(100 * seconds)
