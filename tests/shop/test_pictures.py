"""Pictures of the catalogue: what is one, where it may be, and how it is served, on both engines."""

import base64
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import api
from shop import schema
from shop.catalog import from_csv, load
from shop.engines import open_store
from shop.errors import CatalogError
from shop.pictures import MAX_DATA_URL, MAX_FILE
from shop.sentences import failure_sentence
from tests.support.engines import ENGINES, ask, new_url, write_old_shop

pytestmark = pytest.mark.anyio
PNG = b"\x89PNG\r\n\x1a\n of pixels"
JPEG = b"\xff\xd8\xff\xe0 of pixels"
KINDS = {
    "image/png": PNG,
    "image/jpeg": JPEG,
    "image/gif": b"GIF89a pixels",
    "image/webp": b"RIFF\x00\n\x00\x00WEBPVP8 ",
    "image/avif": b"\x00\x00\x00 ftypavif pixels",
}
SVG = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
TEA: dict[str, Any] = {"id": 7, "name": "茶", "price": 19.99, "description": "绿茶", "quantity": 5}


def data_url(content: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def catalogue(folder: Path, *entries: dict[str, Any], name: str = "catalog.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(entries))
    return path


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_url(request.param, tmp_path)


@asynccontextmanager
async def serving(url: str, path: Path | None) -> AsyncIterator[httpx.AsyncClient]:
    app = api.create_app(api.Settings(database_url=url, catalog=path))
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost/api")
    async with app.router.lifespan_context(app), http:
        yield http


async def test_each_format_is_served_as_what_it_is_and_only_asked_for_once(url: str, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    entries = [TEA | {"id": 9}]
    for number, (kind, content) in enumerate(KINDS.items(), 1):
        (tmp_path / f"pictures/{number}").write_bytes(content)
        entries += [TEA | {"id": number, "image": f"pictures/{number}"}]
        entries += [TEA | {"id": 10 + number, "image": data_url(content, kind)}]
    async with serving(url, catalogue(tmp_path, *entries)) as client:
        for number, (kind, content) in enumerate(KINDS.items(), 1):
            for id_ in (number, 10 + number):
                answer = await client.get(f"/products/{id_}/image")
                assert (answer.status_code, answer.content) == (200, content)
                assert answer.headers["content-type"] == kind
                assert answer.headers["x-content-type-options"] == "nosniff"
                held = {"If-None-Match": f'"other", W/{answer.headers["etag"]}'}
                again = await client.get(f"/products/{id_}/image", headers=held)
                assert (again.status_code, again.content) == (304, b"")
        shown = (await client.get("/products/1")).json()
        assert shown.pop("image") == "shop://products/1/image"
        assert "image" not in (await client.get("/products/9")).json()
        assert "image" not in (await client.get("/inventory?productId=9")).json()[0]["product"]
        for id_, code in ((9, "no_picture"), (99, "unknown_product")):
            refused = await client.get(f"/products/{id_}/image")
            assert (refused.status_code, refused.json()["code"]) == (404, code)


async def test_who_changes_a_product_is_answered_with_all_of_it(url: str, tmp_path: Path) -> None:
    new = {field: TEA[field] for field in ("name", "price", "description")}
    async with serving(url, catalogue(tmp_path, TEA | {"image": data_url(PNG)})) as client:
        for method, body, key in (
            ("PUT", new, {}),
            ("PATCH", {"price": 5}, {}),
            ("PATCH", {"name": "红茶"}, {"Idempotency-Key": "k"}),
            ("PATCH", {"name": "红茶"}, {"Idempotency-Key": "k"}),
        ):
            answer = await client.request(method, "/products/7", json=body, headers=key)
            assert answer.json() == (await client.get("/products/7")).json()
            assert answer.json()["image"] == "shop://products/7/image"


def refused_names(folder: Path) -> dict[str, str]:
    """Make files that may not be read, and return their names with what is said of each."""
    (folder / "shop/deep").mkdir(parents=True)
    (folder / "secret.png").write_bytes(PNG)
    (folder / "shop/huge.png").write_bytes(PNG.ljust(MAX_FILE + 1))
    (folder / "shop/a.svg").write_bytes(SVG)
    (folder / "shop/empty.png").write_bytes(b"")
    (folder / "shop/out.png").symlink_to(folder / "secret.png")
    (folder / "shop/up").symlink_to(folder)
    (folder / "shop/circle.png").symlink_to("circle.png")
    if sys.platform == "win32":
        raise NotImplementedError  # it has no such files
    os.mkfifo(folder / "shop/pipe.png")
    below = "must be a name below the folder"
    names: tuple[str, ...] = (
        "../secret.png",
        "deep/../../secret.png",
        str(folder / "secret.png"),
        "..\\secret.png",
        "C:a.png",
    )
    names += (
        "\\\\host\\share\\a.png",
        "file:///a.png",
        "https://a/b.png",
        "a\0.png",
        "./a.png",
        "a//b",
        "a/",
    )
    return dict.fromkeys((*names, "a.png:stream", " ", ".. /secret.png"), below) | {
        "none.png": "cannot be read: No such file",
        "x" * 5000: "cannot be read: File name too long",
        "circle.png": "cannot be read",
        "out.png": "leads out of the folder",
        "up/secret.png": "leads out of the folder",
        "deep": "is no file",
        "pipe.png": "is no file",
        "huge.png": "larger than 512 KiB",
        "a.svg": "is no PNG, JPEG, GIF, WebP or AVIF",
        "empty.png": "is no PNG",
        data_url(SVG, "image/svg+xml"): "is no PNG",
        data_url(b"<html>", "text/html"): "the data URL is broken",
        data_url(PNG)[:-1]: "the data URL is broken",
        "data:image/png,%89PNG": "the data URL is broken",
        data_url(PNG) + "\n": "the data URL is broken",
        "data:": "the data URL is broken",
        data_url(PNG.ljust(MAX_DATA_URL)): "longer than 64 KiB",
    }


def test_what_is_no_picture_of_the_folder_is_refused_with_its_entry(tmp_path: Path) -> None:
    for image, said in refused_names(tmp_path).items():
        with pytest.raises(CatalogError) as wrong:
            load(catalogue(tmp_path / "shop", TEA, TEA | {"id": 8, "image": image}))
        sentence = failure_sentence(wrong.value)
        assert "第 2 项的 image：" in sentence
        assert said in sentence, image[:100]
    for odd in (1, True, ["a.png"], {"url": "a.png"}):
        with pytest.raises(CatalogError, match="catalog_field"):
            load(catalogue(tmp_path / "shop", TEA | {"image": odd}))


def test_a_link_within_the_folder_is_followed_wherever_the_folder_stands(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a.png").write_bytes(PNG)
    (tmp_path / "real/b.png").symlink_to("a.png")
    (tmp_path / "shop").symlink_to("real")
    catalogue(tmp_path / "real", TEA | {"image": "b.png"})
    (entry,) = load(tmp_path / "shop/catalog.json")
    assert entry.image is not None
    assert entry.image.content() == PNG


async def test_a_picture_stays_until_a_file_names_another_or_none(url: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)

    async def after(**image: str) -> int:
        async with serving(url, catalogue(tmp_path, TEA | image)) as client:
            change = {"name": "红茶", "price": 1, "description": ""}
            assert (await client.put("/products/7", json=change)).status_code == 200
            exported = (await client.get("/products.csv")).content
            assert (await client.put("/products.csv", content=exported)).json()["unchanged"] == 1
            answer = await client.get("/products/7/image")
            return len(answer.content) if answer.status_code == 200 else 0

    assert await after(image="a.png") == len(PNG)
    (tmp_path / "a.png").write_bytes(JPEG)  # the name is the same, the picture is another
    assert await after(image="a.png") == len(JPEG)
    assert await after() == len(JPEG)
    assert await after(image="") == 0
    assert ask(url, "SELECT count(*) FROM product_images")[0][0] == 0


async def test_a_table_has_pictures_too_but_one_that_is_sent_names_no_file_of_this_machine(
    url: str, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    rows = "id,name,price,description,image\n1,茶,1,绿,{}\n2,水,1,清,\n"
    path = tmp_path / "catalog.csv"
    path.write_text(rows.format("a.png"))
    async with serving(url, path) as client:
        assert (await client.get("/products/1/image")).content == PNG
        refused = await client.put("/products.csv", content=rows.format("a.png").encode())
        assert (refused.status_code, refused.json()["params"]["field"]) == (422, "image")
        sent = rows.format(f'"{data_url(JPEG, "image/jpeg")}"').encode()
        assert (await client.put("/products.csv", content=sent)).json()["changed"] == 1
        assert (await client.get("/products/1/image")).content == JPEG
    assert [entry.image and entry.image.kind for entry in from_csv(sent)] == ["image/jpeg", ""]


async def test_a_shop_of_before_pictures_gets_them(url: str, tmp_path: Path) -> None:
    write_old_shop(url, len(schema.SQLITE) - 1)
    entries = load(catalogue(tmp_path, TEA | {"image": data_url(PNG)}))
    store = await open_store(url, entries)
    assert (await store.picture(7))[:2] == ("image/png", PNG)
    await store.close()
