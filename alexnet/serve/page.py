"""The page: its files as they are, and three built-in pictures to begin with."""

from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from alexnet.data.sources.shapes import Shapes
from alexnet.serve.pictures import png
from alexnet.serve.problems import Problem
from alexnet.serve.query import Query
from alexnet.serve.service import EXAMPLES

TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
FOLDER = files("alexnet.serve") / "page"


class PageRoutes:
    """What the browser gets."""

    def __init__(self) -> None:
        self._files = {file.name: file.read_bytes() for file in FOLDER.iterdir() if file.name.split(".")[-1] in TYPES}

    def table(self) -> list[BaseRoute]:
        """Each path with its handler."""
        return [
            Route("/", self.index),
            Route("/static/{name}", self.static),
            Route("/examples/{number}.png", self.example),
        ]

    async def index(self, request: Request) -> Response:
        """The page itself."""
        Query(request)
        return self._file("index.html")

    async def static(self, request: Request) -> Response:
        """What the page is made of."""
        Query(request)
        return self._file(request.path_params["name"])

    async def example(self, request: Request) -> Response:
        """A built-in picture."""
        Query(request)
        pictures = {str(number): path for number, path in enumerate(EXAMPLES.values())}
        if (number := request.path_params["number"]) not in pictures:
            raise Problem(404, "not_found", f"There are {len(pictures)} pictures, from 0 on.")
        return Response(_painted(pictures[number]), media_type="image/png")

    def _file(self, name: str) -> Response:
        if name not in self._files:
            raise Problem(404, "not_found", "The page has no such file.")
        return Response(self._files[name], media_type=TYPES[name.split(".")[-1]])


@cache
def _painted(path: str) -> bytes:
    shapes = Shapes()
    example = next(each for each in shapes.examples if each.path == path)
    return png(shapes.load(example).pixels)
