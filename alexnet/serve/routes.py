"""The routes of the service: from a request to a question, from the answer to JSON."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router

from alexnet.data.augment import fixed_views
from alexnet.data.source import Prepared
from alexnet.model.spec import Conv, Spec
from alexnet.serve.body import Bodies, while_connected
from alexnet.serve.inside import InsideRoutes
from alexnet.serve.metrics import TYPE
from alexnet.serve.page import PageRoutes
from alexnet.serve.problems import Json
from alexnet.serve.query import Query
from alexnet.serve.service import Service

MOST_CLASSES = 10_000
OPENAPI = files("alexnet.serve") / "openapi.json"
Handler = Callable[[Request], Awaitable[Response]]


class Routes:
    """What each path answers."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.bodies = Bodies(service.settings)

    @property
    def router(self) -> Router:
        """The paths."""
        return Router(self.table(), redirect_slashes=False)

    def table(self) -> list[BaseRoute]:
        """Each path with its handler."""
        return [
            Route("/v1/predict", self.predict, methods=["POST"]),
            Route("/v1/model", self.model),
            Route("/v1/layers", self.layers),
            Route("/healthz", self.health),
            Route("/metrics", self.metrics),
            Route("/openapi.json", self.openapi),
            *InsideRoutes(self.service, self.bodies).table(),
            *PageRoutes().table(),
        ]

    async def predict(self, request: Request) -> Response:
        """The first classes of a photograph; with ten crops, what each of them says too; the square if asked for."""
        query = Query(request, "k", "crops", "square")
        top = query.whole("k", 5, 1, MOST_CLASSES)
        crops = int(query.choice("crops", ("1", "10"), "1"))
        drawn = query.choice("square", ("0", "1"), "0") == "1"
        service = self.service
        service.backlog.check(crops)
        with self.bodies.held_by() as body:
            content = await body.read(request)
            with service.backlog.place(crops) as place:

                async def work() -> tuple[Prepared, NDArray[np.float32], dict[str, str]]:
                    prepared = await service.decode(content)
                    asked = place.ask(crops, prepared.pixels)
                    if not drawn:
                        return prepared, await asked, {}
                    votes, square = await asyncio.gather(asked, service.drawn(prepared))
                    return prepared, votes, {"square": square}

                prepared, votes, square = await while_connected(request, work())
        return Json(self._answer(prepared, votes, top) | square)

    async def model(self, request: Request) -> Response:
        """The model's card."""
        Query(request)
        return Json(self.service.card)

    async def layers(self, request: Request) -> Response:
        """The network's account."""
        Query(request)
        return Json(self.service.layers)

    async def health(self, request: Request) -> Response:
        """Whether requests are taken."""
        Query(request)
        if self.service.stopping:
            return Json({"status": "stopping"}, 503)
        return Json({"status": "ok"})

    async def metrics(self, request: Request) -> Response:
        """The counters."""
        Query(request)
        return Response(self.service.metrics.text(), headers={"Content-Type": TYPE})

    async def openapi(self, request: Request) -> Response:
        """This interface, described; with the names of this model's layers and the number of its classes."""
        Query(request)
        return Json(described(self.service.known.spec))

    def _answer(self, prepared: Prepared, votes: NDArray[np.float32], top: int) -> dict[str, Any]:
        """Votes (V, K) of the views as JSON: their mean; of several, each."""
        service = self.service
        told: dict[str, Any] = {
            "model": f"sha256:{service.digest}",
            "predictions": service.answers(votes.mean(0), top),
            **self._seen(prepared),
        }
        if len(votes) > 1:
            boxes = self._boxes(len(votes))
            told["crops"] = [
                {**box, "predictions": service.answers(view, top)} for box, view in zip(boxes, votes, strict=True)
            ]
        return told

    def _seen(self, prepared: Prepared) -> dict[str, Any]:
        """What became of the photograph before the network saw it."""
        return {
            "size": list(prepared.size),
            "treatments": list(prepared.treatments),
            "orientation": prepared.orientation,
            "part": self.service.part(prepared.size),
            "side": self.service.known.preparation.side,
            "view": self._boxes(1)[0]["box"],
        }

    def _boxes(self, crops: int) -> list[dict[str, Any]]:
        """Where the views lie in the square: left, top, width, height."""
        known = self.service.known
        side = known.spec.input_size
        views = fixed_views(side, known.preparation.side, crops)
        return [
            {"box": [int(left), int(top), side, side], "mirrored": bool(mirrored)}
            for left, top, mirrored in zip(views.left, views.top, views.mirrored, strict=True)
        ]


def described(spec: Spec) -> dict[str, Any]:
    """The description of the interface for a network: which layers and classes may be asked for."""
    document: dict[str, Any] = json.loads(OPENAPI.read_text(encoding="utf-8"))
    names = [layer.name for layer in spec.layers]
    convolutions = [layer for layer in spec.layers if isinstance(layer, Conv)]
    known: dict[str, dict[str, Any]] = {
        "layers": {"items": {"enum": names}},
        "stage": {"enum": names},
        "layer": {"enum": [layer.name for layer in convolutions]},
        "map": {"maximum": max(layer.channels for layer in convolutions) - 1},
        "class": {"maximum": spec.classes - 1},
    }
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                parameter["schema"] |= known.get(parameter["name"], {})
    return document
