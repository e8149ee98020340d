"""The spool: pictures come back as they went in, and a folder of no known attempt is removed."""

from pathlib import Path
from uuid import uuid4

from atelier_render.outputs.analysis import Output
from atelier_render.outputs.spool import RenderedOutputs, Spool

SEEN = Output(b"one", "image/png", 1, 2, b"small", ("#112233", "#ffffff"))
MADE = RenderedOutputs("simulator", (SEEN, Output(b"two", "image/webp", 3, 4)), bytes(32))


def test_another_process_finds_what_was_kept(tmp_path: Path) -> None:
    generation_id = uuid4()
    Spool(tmp_path / "spool").keep(generation_id, MADE)

    heir = Spool(tmp_path / "spool")

    assert heir.holds(generation_id)
    assert heir.recall(generation_id) == MADE


def test_what_is_kept_already_stays(tmp_path: Path) -> None:
    spool, generation_id = Spool(tmp_path), uuid4()
    spool.keep(generation_id, MADE)

    spool.keep(generation_id, RenderedOutputs("other", ()))

    assert spool.recall(generation_id) == MADE


def test_what_is_forgotten_is_gone(tmp_path: Path) -> None:
    spool, generation_id = Spool(tmp_path), uuid4()
    spool.keep(generation_id, MADE)

    spool.forget(generation_id)
    spool.forget(generation_id)

    assert not spool.holds(generation_id)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_its_own_goes_with_the_process_and_a_named_one_stays(tmp_path: Path) -> None:
    own, named = Spool(None), Spool(tmp_path)
    own.keep(uuid4(), MADE)
    folder = own._folder

    own.close()
    named.close()

    assert not folder.exists()
    assert tmp_path.exists()
