import asyncio
import threading
from io import BytesIO
from pathlib import Path

import pytest
from asking import picture
from making import tiny_model
from PIL import Image

from alexnet.data.images import load_photograph
from alexnet.data.source import Prepared
from alexnet.data.store import Store
from alexnet.model.device import place
from alexnet.serve import service as module
from alexnet.serve.service import Service
from alexnet.serve.settings import Settings
from alexnet.weights.model_dir import save_model

DEADLINE = 30.0  # seconds after which something stands still


@pytest.fixture
def service(colours: Store, tmp_path: Path) -> Service:
    save_model(tiny_model(colours), tmp_path / "model")
    return Service(tmp_path / "model", place("cpu", "fp32"), Settings())


def large() -> bytes:
    file = BytesIO()
    Image.new("L", (3000, 3000)).save(file, "PNG")
    return file.getvalue()


def test_small_photographs_wait_for_no_large_ones_which_are_decoded_one_at_a_time(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, most, at_work = threading.Event(), 0, 0

    def load(content: bytes, *others: object) -> Prepared:
        nonlocal most, at_work
        if len(content) == len(big):
            at_work += 1
            most = max(most, at_work)
            go_on.wait(DEADLINE)
            at_work -= 1
        return load_photograph(content, *others)  # type: ignore[arg-type]

    async def asked() -> list[tuple[int, int]]:
        service.start()
        slow = [asyncio.ensure_future(service.decode(big)) for _ in range(3)]
        try:
            for seed in range(4):
                found = await asyncio.wait_for(service.decode(picture(seed)), DEADLINE / 2)
                assert found.size == (60, 40)
            assert not any(each.done() for each in slow)
        finally:
            go_on.set()
        sizes = [each.size for each in await asyncio.gather(*slow)]
        await service.close()
        return sizes

    big = large()
    monkeypatch.setattr(module, "load_photograph", load)
    assert asyncio.run(asked()) == [(3000, 3000)] * 3 and most == 1
