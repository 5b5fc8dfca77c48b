"""Hostile answers in a real browser: rendered by the very path of web.py, without the policy's help."""

from collections.abc import AsyncGenerator
from typing import Any

from anyio.from_thread import start_blocking_portal
from playwright.sync_api import Page, expect

from assistant.chat import events
from assistant.page import allowed_html, code_blocks, formulas
from assistant.page.allowed_html import sanitise
from assistant.page.markdown import with_html
from tests.support.page_backend import Backend, Step, done, says
from tests.support.page_browser import Open

HOST = "img.example"
HOSTS = frozenset({HOST})
RUNS = "top.ran=1"
BAIT = f"<img src=x onerror={RUNS}>"

RAW = [  # HTML as a model writes it, or as what it has read tells it to
    f"<script>{RUNS}</script>",
    f"<ScRiPt/x>{RUNS}</sCrIpT >",
    f"<<script>{RUNS}//<</script>",
    BAIT,
    f"<img/src=x/onerror={RUNS}>",
    f'<img """><script>{RUNS}</script>">',
    f"<svg onload={RUNS}></svg>",
    f"<svg><script>{RUNS}</script></svg>",
    f"<svg></p><style><a id='</style>{BAIT}'>",
    f"<svg><style><!--</style>{BAIT}--></svg>",
    f"<svg><desc><div>{BAIT}</div></desc></svg>",
    f"<svg><foreignObject><body onload={RUNS}></foreignObject></svg>",
    f"<svg><animate onbegin={RUNS} attributeName=x dur=1s></svg>",
    f"<svg><a xlink:href='javascript:{RUNS}'><text y=20>x</text></a></svg>",
    f"<svg><use href='data:image/svg+xml,<svg id=x onload={RUNS}>#x'/></svg>",
    f"<svg><set attributeName=href to='javascript:{RUNS}'></svg>",
    f"<math><mtext><table><mglyph><style><!--</style><img title='--&gt;{BAIT}'>",
    f"<form><math><mtext></form><form><mglyph><style></math>{BAIT}",
    f"<math><annotation-xml encoding='text/html'><style>{BAIT}</style></annotation-xml></math>",
    f"<math><annotation-xml encoding='application/xhtml+xml'><script>{RUNS}</script></annotation-xml></math>",
    f"<math><semantics><mi>x</mi><annotation>{BAIT}</annotation></semantics></math>",
    f"<math><maction actiontype='statusline' xlink:href='javascript:{RUNS}'>x</maction></math>",
    f"<math href='javascript:{RUNS}'><mi>x</mi></math>",
    f"<math><mi><svg><mtext><style>{BAIT}</style></mtext></svg></mi></math>",
    f"<math><mtext><![CDATA[</mtext>{BAIT}]]></mtext></math>",
    f"<math><mtext><h1><a><h6></a></h6><mglyph><svg><mtext><style><a title='</style>{BAIT}'>",
    f"<math><![CDATA[></math>{BAIT}]]>",
    f"<noscript><p title='</noscript>{BAIT}'>",
    f"<style><!--</style>{BAIT}-->",
    "<style>*{display:none}</style>",
    f"<template><script>{RUNS}</script></template>",
    f"<template shadowrootmode=open>{BAIT}</template>",
    f"<table><td><form><tr></form>{BAIT}</td></table>",
    f"<table><caption><svg><style>{BAIT}",
    f"<table background=javascript:{RUNS}><colgroup><col onclick={RUNS}></table>",
    f"<form id=composer action=javascript:{RUNS}><input name=id><input name=parentNode onfocus={RUNS}>",
    "<a id=chat><a id=chat name=input href=https://evil.example>x</a>",
    "<img name=getElementById><img name=cookie><form name=body><input name=children></form>",
    "<iframe name=preferences srcdoc='<script>parent.ran=1</script>'></iframe>",
    "<object name=status data=https://evil.example/o></object><embed src=https://evil.example/e>",
    f"<iframe src=javascript:{RUNS}></iframe>",
    "<base href=https://evil.example/><link rel=stylesheet href=https://evil.example/l>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/m'>",
    f"<details open ontoggle={RUNS}><summary>x</summary></details>",
    f"<video src=x onerror={RUNS}></video><audio src onloadstart={RUNS}></audio>",
    f"<marquee onstart={RUNS}>x</marquee><body onload={RUNS}>",
    f"<select><style></select>{BAIT}</style></select>",
    f"<xmp><p title='</xmp>{BAIT}'></xmp><plaintext>",
    f"<title><p id='</title>{BAIT}'><textarea>{BAIT}",
    f"<!--><script>{RUNS}</script>--><!--!>{BAIT}-->",
    f"<![CDATA[<script>{RUNS}</script>]]><?xml {BAIT}?>",
    f"<p style='position:fixed;inset:0;background:url(https://evil.example/s)' onpointerover={RUNS}>x</p>",
    f"<p class='side' tabindex=9 data-status=x is=x-x slot=x popover>{BAIT}</p>",
    f"&lt;script&gt;{RUNS}&lt;/script&gt; &#60;img src=x onerror={RUNS}&#62; &#x3c;svg onload={RUNS}>",
    f"<sub onclick={RUNS}>x</sub><br onload={RUNS}/><sup><script>{RUNS}</script></sup>",
]
ADDRESSES = [  # of links and pictures
    *(f"{scheme}:{RUNS}" for scheme in ("javascript", "JaVaScRiPt", "java\tscript", "\x01javascript")),
    *(f"{scheme}{RUNS}" for scheme in ("javascript&colon;", "&#106;avascript:", "&#x6A&#x61vascript:")),
    *(f"{scheme}:{RUNS}" for scheme in ("java&Tab;script&NewLine;", "%6Aavascript", "javascript\\")),
    *(
        f"{scheme}:{RUNS}"
        for scheme in ("vbscript", "livescript", "view-source:javascript", "jar:javascript")
    ),
    f"javascript://x%0a{RUNS}",
    f"data:text/html,<script>{RUNS}</script>",
    f"data:image/svg+xml,<svg onload={RUNS}>",
    "data:text/html;base64,PHNjcmlwdD50b3AucmFuPTE8L3NjcmlwdD4=",
    *(
        "data:image/png;base64,AAAA",
        "blob:https://evil.example/1",
        "file:///etc/passwd",
        "filesystem:https://x/y",
    ),
    *("ftp://evil.example", "//evil.example/x", "\\\\evil.example\\x", "#/1", "?q=1", "api/tools"),
    "https://img.example.evil.example/a.png",
    "https://img.example@evil.example/a",
    "https://evil.example\\@img.example/a",
    "https://evil.example/img.example",
    "http://img.example/a.png",
    "https://img.example:444/a.png",
    f'https://{HOST}/a.png" onerror="{RUNS}',
    f"x' onclick='{RUNS}",
]
TEX = [
    rf"\text{{{BAIT}}} + x^2",
    rf"\href{{javascript:{RUNS}}}{{x}}^2",
    r"\class{side}{x}^2",
    r"\unicode{x3c}script^2",
    rf"\mathrm{{</mi><script>{RUNS}</script>}}^2",
    rf"\tag{{{BAIT}}} x_1",
    rf'\color{{red" onclick="{RUNS}}}{{x^2}}',
    r"\cssId{input}{x^2}",
    r"\style{position:fixed}{x^2}",
    r"\rule{99em}{99em}^2",
    r"\kern{-99em}x_1",
    rf'\begin{{array}}{{c" onclick="{RUNS}}}x\end{{array}}',
    rf"\label{{{BAIT}}}\ref{{x}}^2",
    rf"\operatorname{{{BAIT}}}^2",
    r"\includegraphics{https://evil.example/t}^2",
    rf'\enclose{{x" onload="{RUNS}}}{{y}}^2',
]
LANGUAGES = [
    "html",
    f'"><script>{RUNS}</script>',
    "x' onclick='y",
    "&quot;&gt;<svg/onload=x>",
    "../../../etc",
    "\u200b",
]
HOSTILE = [
    *RAW,
    *(f"前\n\n{raw}\n\n> - {raw}\n\n| {raw.replace('|', '')} |\n|---|\n| 1 |" for raw in RAW[::6]),
    *(f"[x](<{each}>) ![p](<{each}>) [r] <{each}>\n\n[r]: <{each}> '{BAIT}'" for each in ADDRESSES),
    *(f"${tex}$\n\n$$\n{tex}\n$$" for tex in TEX),
    *(f"```{name}\n{BAIT}</code></pre><script>{RUNS}</script>\n```" for name in LANGUAGES),
    f"[{BAIT}](https://a.example '\"onclick={RUNS} x=\"') `{BAIT}` **{BAIT}** ~~{BAIT}~~",
    f'![{BAIT}" onerror="{RUNS}](https://{HOST}/a.png \'" onload={RUNS}\')',
    f"![a](https://{HOST}/a.png) [^1]\n\n[^1]: {BAIT}\n\n- [x] {BAIT}",
]

LEFT = """([tags, attributes, classes]) => [...document.querySelectorAll(".answer .prose *")]
    .filter(element => !element.closest("figure > pre + button.copy"))
    .flatMap(element => [
        ...tags.includes(element.localName) ? [] : [element.outerHTML],
        ...[...element.attributes].filter(({name}) => !attributes.includes(name))
            .map(({name, value}) => `${element.localName} ${name}=${value}`),
        ...[...element.classList].filter(name => !classes.includes(name)),
        ...element.hasAttribute("href") && !/^(https?:\\/\\/|mailto:)/.test(element.getAttribute("href"))
            ? [element.outerHTML] : [],
    ])"""
CLOBBERED = """() => {
    const ids = [...document.querySelectorAll("[id]")].map(({id}) => id);
    return [...ids.sort(), ...Object.getOwnPropertyNames(document), ...Object.keys(document.forms)];
}"""
OWN = ("target", "rel", "loading", "referrerpolicy", "tabindex", "class", "title", "alttext", "href", "src")


async def told() -> list[Step]:
    """What `POST /api/chat/stream` sends for a turn of all these answers, as they come and whole."""

    async def turn() -> AsyncGenerator[events.Event]:
        for text in HOSTILE:
            for piece in (text[: len(text) // 2], text[len(text) // 2 :]):
                yield events.TextEvent(piece)
            yield events.MessageEvent({"role": "assistant", "content": text})

    # The renderer leaves no HTML to the sanitiser, which is to hold alone, too.
    alone = [says(raw, "<p>x</p>" + sanitise(raw, HOSTS)) for raw in RAW]
    steps: list[Step] = [step async for step in with_html(turn(), HOSTS)]
    return [*steps, *(step for part in alone for step in part)]


def outgoing(page: Page, home: str) -> list[str]:
    """Record what is asked of others than the page's own host and the one that may send pictures."""
    asked: list[str] = []

    def record(request: Any) -> None:
        if not request.url.startswith((home, "data:", "blob:", f"https://{HOST}/")):
            asked.append(request.url)

    page.context.on("request", record)
    page.context.route("https://**", lambda route: route.fulfill(body=""))
    return asked


def test_no_hostile_answer_leaves_the_allow_list_runs_fetches_or_takes_a_name(
    backend: Backend, open_page: Open
) -> None:
    with start_blocking_portal() as portal:
        backend.say(portal.call(told), done())
    # What is sent is harmless by itself: without the policy and without the browser's own sanitiser.
    shown = open_page(backend.url, strict=False, bypass_csp=True, script="delete window.Sanitizer")
    asked = outgoing(shown.page, backend.url)
    before = shown.page.evaluate(CLOBBERED)
    shown.ask("说")
    expect(shown.page.locator(".answer .prose")).to_have_count(len(HOSTILE) + len(RAW))
    tags = [*allowed_html.TAGS.split(), *allowed_html.MATH.split(), "img"]
    attributes = [*allowed_html.MATH_ATTRIBUTES, *OWN, "alt", "start"]
    classes = ["wide", "num", "language", *code_blocks.CLASSES, *formulas.CLASSES]
    assert shown.page.evaluate(LEFT, [tags, attributes, classes]) == []
    assert shown.page.evaluate(CLOBBERED) == before
    pictures = shown.page.locator(".prose img").evaluate_all("all => all.map(({src}) => new URL(src).host)")
    assert set(pictures) == {HOST}
    assert shown.page.evaluate("'ran' in window") is False
    assert asked == []
