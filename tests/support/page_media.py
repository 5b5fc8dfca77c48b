"""Parts of results that are no text: a picture, a sound, links and files, some of them hostile."""

import base64

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WAVE = b"RIFF\x28\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x44\xac\0\0\x88\x58\x01\0\x02\0\x10\0"
SILENCE = base64.b64encode(WAVE + b"data\x04\0\0\0\0\0\0\0").decode()


def media(mime_type: str, data: str = "", uri: str = "", name: str = "") -> dict[str, str]:
    return {"mime_type": mime_type, "data": data, "uri": uri, "name": name}


MEDIA = [
    media("image/png", PIXEL, "file:///cat.png", "cat"),
    media("audio/wav", SILENCE),
    media("text/plain", "", "https://example.com/a", "a report"),
    media("text/html", "", "javascript:alert(1)", "bait"),
    media("application/pdf", base64.b64encode(b"%PDF").decode(), "file:///b.pdf", "b.pdf"),
    media("application/zip", "no base64!", "file:///c.zip", "c.zip"),
    media('image/png";x', PIXEL, "file:///d", "d"),
]
