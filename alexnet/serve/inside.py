"""The routes that look inside the network: features, maps, saliency, kernels, the drawing, a run that goes on."""

import asyncio
from collections.abc import Callable
from io import BytesIO
from pathlib import PurePath
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from alexnet.data.source import Prepared
from alexnet.errors import unknown
from alexnet.evaluation.search import METRICS
from alexnet.serve.body import Bodies, while_connected
from alexnet.serve.following import state
from alexnet.serve.pictures import data_url, grey, png, signed, thumbnail, tiles
from alexnet.serve.problems import Json, Problem, bad
from alexnet.serve.query import Query
from alexnet.serve.service import Service
from alexnet.show.architecture import architecture
from alexnet.show.drawing import to_svg
from alexnet.show.filters import SCALES, filters
from alexnet.show.maps import maps
from alexnet.show.neighbours import neighbours
from alexnet.show.saliency import METHODS, UNITS, saliency

T = TypeVar("T")
MOST_NUMBERS = 100_000  # of features as JSON
MOST_NEIGHBOURS = 100
MOST_MAPS = 1024  # on a sheet
STRIDE = 16  # of what occlusion hides: a quarter of the work of `alexnet show saliency`


class InsideRoutes:
    """What the paths of the page's further views answer."""

    def __init__(self, service: Service, bodies: Bodies) -> None:
        self.service, self.bodies = service, bodies

    def table(self) -> list[BaseRoute]:
        """Each path with its handler."""
        return [
            Route("/v1/features", self.features, methods=["POST"]),
            Route("/v1/maps", self.maps, methods=["POST"]),
            Route("/v1/saliency", self.saliency, methods=["POST"]),
            Route("/v1/search", self.search, methods=["POST"]),
            Route("/v1/filters.png", self.filters),
            Route("/v1/architecture.svg", self.architecture),
            Route("/v1/run", self.run),
        ]

    async def features(self, request: Request) -> Response:
        """The outputs of layers for a photograph, in fp32: as JSON, or one layer as a file of NumPy."""
        query = Query(request, "layers")
        self.service.inside()
        names = [self._layer(name) for name in query.text("layers", self.service.last_hidden).split(",")]
        as_file = "application/x-npy" in request.headers.get("accept", "")
        if as_file and len(names) != 1:
            raise bad("A .npy file holds one layer; ask for one.")
        _, found = await self._photograph(request, lambda prepared: self._features(prepared, names, as_file))
        if isinstance(found, bytes):
            return Response(found, media_type="application/x-npy")
        return Json(found)

    async def maps(self, request: Request) -> Response:
        """The strongest maps of one stage as tiles of a PNG."""
        query = Query(request, "stage", "top")
        self.service.inside()
        stage = self._layer(query.text("stage", self.service.known.spec.layers[0].name), "stage")
        top = query.whole("top", 96, 1, MOST_MAPS)
        _, found = await self._photograph(request, lambda prepared: self._maps(prepared, stage, top))
        return Json(found)

    async def saliency(self, request: Request) -> Response:
        """What in a photograph speaks for a class, by one method."""
        model = self.service.inside()
        query = Query(request, "method", "class")
        method = query.choice("method", METHODS, "gradient")
        index = query.whole("class", -1, 0, len(model.categories) - 1)
        chosen = None if index < 0 else index

        def work(prepared: Prepared) -> dict[str, Any]:
            found = saliency(model, prepared.pixels, "", (method,), category=chosen, stride=STRIDE)
            (heat,) = found.heats
            left, top, right, bottom = found.box
            return {
                "class": found.category,
                "probability": found.share,
                "method": method,
                "unit": UNITS[method],
                "box": [left, top, right - left, bottom - top],
                "grid": list(heat.values.shape),
                "values": [float(f"{value:.4g}") for value in heat.values.ravel().tolist()],
                "empty": heat.empty,
            }

        _, found = await self._photograph(request, work, slow=True)
        return Json(found)

    async def search(self, request: Request) -> Response:
        """The photographs of the features' set that are nearest."""
        query = Query(request, "k", "metric")
        features = self.service.features
        if features is None:
            raise Problem(404, "no_features", "No features are searched; start the service with --features FOLDER.")
        k = query.whole("k", 10, 1, MOST_NEIGHBOURS)
        metric = query.choice("metric", METRICS, "euclidean")

        of_files = features.description["data"]["kind"] == "files"

        def work(prepared: Prepared) -> dict[str, Any]:
            asked = [("", prepared.pixels)]
            pixels = self.service.searched
            told = neighbours(self.service.as_features, features, asked, k=k, metric=metric, pixels=pixels)
            ((_, _, found),) = told.queries
            return {
                "stage": told.stage,
                "metric": metric,
                "images": told.images,
                "neighbours": [
                    {
                        "row": each.row,
                        "image": PurePath(each.name).name if of_files else each.name,  # no folder of this machine
                        "label": each.label,
                        "distance": each.distance,
                        "thumbnail": None if each.pixels is None else thumbnail(each.pixels),
                    }
                    for each in found
                ],
            }

        _, found = await self._photograph(request, work, slow=True)
        return Json(found)

    async def filters(self, request: Request) -> Response:
        """The kernels of a layer, or the planes of one, as tiles: 16 a row, a gap of a pixel."""
        query = Query(request, "layer", "scale", "map")
        model = self.service.inside()
        layer = query.text("layer", "conv1")
        scale = query.choice("scale", SCALES, "together")
        found = await asyncio.to_thread(filters, model, layer, scale)
        count, channels = found.kernels.shape[:2]
        number = query.whole("map", -1, 0, count - 1)
        if number < 0 and channels != 3:
            raise bad(f"The kernels of {layer} have {channels} planes; ask for those of one: map=0 to {count - 1}.")
        kernels = found.kernels if number < 0 else found.kernels[number : number + 1]
        if channels == 3:
            low, high = _range(found.kernels, kernels, scale)
            share = (kernels - low) / np.maximum(high - low, np.finfo(np.float32).tiny)
            pixels = grey(share.transpose(0, 2, 3, 1), 1.0)
        else:
            pixels = signed(kernels[0], float(np.abs(kernels).max()))
        return Response(png(tiles(pixels, gap=int(len(pixels) > 1))), media_type="image/png")

    async def architecture(self, request: Request) -> Response:
        """The network drawn to scale."""
        Query(request)
        return Response(to_svg(architecture(self.service.known.spec)), media_type="image/svg+xml")

    async def run(self, request: Request) -> Response:
        """The epochs of the run that is followed, after one, and how it stands."""
        query = Query(request, "after")
        after = query.whole("after", 0, 0, 10**9)
        if self.service.run is None:
            raise Problem(404, "no_run", "No run is followed; start the service with --run RUN.")
        return Json(await asyncio.to_thread(state, self.service.run, after))

    async def _photograph(
        self, request: Request, work: Callable[[Prepared], T], *, slow: bool = False
    ) -> tuple[Prepared, T]:
        """What `work` makes of the photograph in the request, in a thread."""
        service = self.service
        queue = service.slow if slow else service.views
        queue.check(1)
        with self.bodies.held_by() as body:
            content = await body.read(request)
            with queue.place() as place:

                async def answer() -> tuple[Prepared, T]:
                    prepared = await service.decode(content)
                    found: T = await place.ask(None, lambda: work(prepared))
                    return prepared, found

                return await while_connected(request, answer())

    def _layer(self, name: str, kind: str = "layer") -> str:
        known = [layer.name for layer in self.service.known.spec.layers]
        if name not in known:
            raise bad(str(unknown(kind, name[:80], known)))
        return name

    def _features(self, prepared: Prepared, names: list[str], as_file: bool) -> bytes | dict[str, Any]:
        found = self.service.exact.stages(prepared.pixels, names)
        if as_file:
            file = BytesIO()
            np.save(file, found[names[0]][0])
            return file.getvalue()
        if (count := sum(each.size for each in found.values())) > MOST_NUMBERS:
            raise bad(f"These are {count:,} numbers, more than {MOST_NUMBERS:,}; ask with Accept: application/x-npy.")
        layers = {
            name: {"shape": list(each.shape[1:]), "values": each.ravel().tolist()} for name, each in found.items()
        }
        return {"model": f"sha256:{self.service.digest}", "dtype": "fp32", "layers": layers}

    def _maps(self, prepared: Prepared, stage: str, top: int) -> dict[str, Any]:
        (found,) = maps(self.service.exact, prepared.pixels, "", (stage,), top=top).stages
        most = max(abs(found.low), abs(found.high))
        below = found.low < 0
        planes = signed(found.values, most) if below else grey(found.values, found.high)
        return {
            "stage": stage,
            "shape": list(found.shape),
            "order": found.order.tolist(),
            "maxima": [float(f"{value:.4g}") for value in found.maxima[found.order].tolist()],
            "silent": found.silent,
            "low": found.low,
            "high": found.high,
            "colours": "signed" if below else "grey",
            "sheet": data_url(png(tiles(planes))),
            "tile": list(found.values.shape[1:]),
            "columns": min(16, len(found.order)),
        }


def _range(every: NDArray[np.float32], shown: NDArray[np.float32], scale: str) -> tuple[Any, Any]:
    """What is black and what is white."""
    if scale == "each":
        return shown.min((1, 2, 3), keepdims=True), shown.max((1, 2, 3), keepdims=True)
    if scale == "zero":
        most = float(np.abs(every).max())
        return -most, most
    return float(every.min()), float(every.max())
