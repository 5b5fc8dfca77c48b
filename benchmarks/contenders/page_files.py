"""The page's files alone: by our `PageFiles`, or with `plain` as second argument by Starlette's own class."""

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from assistant.page.page_files import PUBLIC, PageFiles
from benchmarks.contenders.serving import argument, serve

if __name__ == "__main__":
    files = StaticFiles if argument(2) == "plain" else PageFiles
    serve(Starlette(routes=[Mount("/static", files(directory=PUBLIC))]), plain=False)
