"""Thoughts and calls that a model writes as text: told apart, in whatever pieces they come."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.chat.interfaces import ModelError, Piece, Reply, Restart, Thought
from assistant.llm.answer import ReplyBuilder
from assistant.llm.calls import is_json

LOOK = {"type": "object", "properties": {"query": {"type": "string"}, "limit": {"type": "integer"}}}
TOOLS = [{"type": "function", "function": {"name": "look", "description": "", "parameters": LOOK}}]
ARGS = '{"query": "watch", "limit": 2}'
JSON = f'{{"name": "look", "arguments": {ARGS}}}'
PYTHON = "{'name': 'look', 'arguments': {'query': 'watch', 'limit': 2}}"
ELEMENTS = "<query>watch</query>\n<limit>2</limit>"
PARAMS = '<parameter name="query">watch</parameter>\n<parameter name="limit">2</parameter>'

CALLS = {
    "DeepSeek R1": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>look\n```json\n" + ARGS
    + "\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    "DeepSeek V3.1": f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>look<｜tool▁sep｜>{ARGS}<｜tool▁call▁end｜>"
    "<｜tool▁calls▁end｜><｜end▁of▁sentence｜>",
    "DSML": '<｜DSML｜function_calls>\n<｜DSML｜invoke name="look">\n'
    '<｜DSML｜parameter name="query" string="true">watch</｜DSML｜parameter>\n'
    '<｜DSML｜parameter name="limit" string="false">2</｜DSML｜parameter>\n'
    "</｜DSML｜invoke>\n</｜DSML｜function_calls>",
    "MiniMax": f'<minimax:tool_call>\n<invoke name="look">\n{PARAMS}\n</invoke>\n</minimax:tool_call>',
    "MiniMax M3": "]<]minimax[>[<tool_call>\n]<]minimax[>[<invoke name=\"look\">]<]minimax[>[<query>watch"
    "]<]minimax[>[</query>]<]minimax[>[<limit>2]<]minimax[>[</limit>]<]minimax[>[</invoke>\n"
    "]<]minimax[>[</tool_call>",  # MiniMax-AI/MiniMax-M3#31
    "MiniMax M1": f"<tool_calls>\n{JSON}\n</tool_calls>",
    "Anthropic": f'<function_calls>\n<invoke name="look">\n{PARAMS}\n</invoke>\n</function_calls>',
    "Mistral": f'[TOOL_CALLS][{{"name": "look", "arguments": {ARGS}}}]',
    "Mistral, later": f"[TOOL_CALLS]look[ARGS]{ARGS}",
    "Mistral, with an id": f"[TOOL_CALLS]look[CALL_ID]abc123XYZ[ARGS]{ARGS}",
    "Qwen": f"<tool_call>\n{JSON}\n</tool_call>",
    "Qwen, not closed": f"<tool_call>\n{JSON}",
    "Qwen Coder": "<tool_call>\n<function=look>\n<parameter=query>\nwatch\n</parameter>\n"
    "<parameter=limit>\n2\n</parameter>\n</function>\n</tool_call>",
    "Qwen, in a fence": f"<tool_call>\n```json\n{JSON}\n```\n</tool_call>",
    "Qwen, with a bracket too many": f"<tool_call>{JSON}}}</tool_call>",
    "Nemotron": f"<TOOLCALL>[{JSON}]</TOOLCALL>",
    "Seed": "<seed:tool_call><function=look><parameter=query>watch</parameter><parameter=limit>2</parameter>"
    "</function></seed:tool_call>",
    "LongCat": f"<longcat_tool_call>{JSON}</longcat_tool_call>",
    "InternLM": f'<|action_start|><|plugin|>{{"name": "look", "parameters": {ARGS}}}<|action_end|>',
    "DSML, in ASCII": '<|DSML|function_calls>\n<|DSML|invoke name="look">\n'
    '<|DSML|parameter name="query" string="true">watch</|DSML|parameter>\n'
    '<|DSML|parameter name="limit" string="false">2</|DSML|parameter>\n'
    "</|DSML|invoke>\n</|DSML|function_calls>",
    "Mistral, with its end": f"[TOOL_CALLS] look[ARGS]{ARGS}</s>",
    "harmony, in the wrong channel": f"<|channel|>analysis to=functions.look <|message|>{ARGS}<|call|>",
    "GLM": "<tool_call>look\n<arg_key>query</arg_key>\n<arg_value>watch</arg_value>\n"
    "<arg_key>limit</arg_key>\n<arg_value>2</arg_value>\n</tool_call>",
    "Llama": f"<function=look>{ARGS}</function>",
    "Llama 3.1": f'<|python_tag|>{{"name": "look", "parameters": {ARGS}}}<|eom_id|>',
    "Llama 4": '[look(query="watch", limit=2)]',
    "Kimi": "<|tool_calls_section_begin|><|tool_call_begin|>functions.look:0<|tool_call_argument_begin|>"
    + ARGS + "<|tool_call_end|><|tool_calls_section_end|>",
    "Granite": f"<|tool_call|>[{JSON}]",
    "Cohere": f'<|START_ACTION|>[{{"tool_name": "look", "parameters": {ARGS}}}]<|END_ACTION|>',
    "harmony": f"<|channel|>commentary to=functions.look <|constrain|>json<|message|>{ARGS}<|call|>",
    "harmony, with thoughts": "<|channel|>analysis<|message|>Look.<|end|><|start|>assistant"
    f"<|channel|>commentary to=functions.look <|constrain|>json<|message|>{ARGS}<|call|>",
    "bare": JSON,
    "bare, as LangChain's": f'{{"action": "look", "action_input": {ARGS}}}',
    "bare, as OpenAI's": f'{{"type": "function", "function": {JSON}}}',
    "bare, in a list": f" [{JSON}]\n",
    "Gemma, in Python": '```tool_code\nprint(default_api.look(query="watch", limit=2))\n```',
    "a fence of its own": f"```tool_call\n{JSON}\n```",
    "Hunyuan": f"<tool_calls><tool_call>look\n```json\n{ARGS}\n```</tool_call></tool_calls>",
    "Step": '<｜tool_calls_begin｜><｜tool_call_begin｜>function<｜tool_sep｜><steptml:invoke name="look">'
    '<steptml:parameter name="query">watch</steptml:parameter><steptml:parameter name="limit">2'
    "</steptml:parameter></steptml:invoke><｜tool_call_end｜><｜tool_calls_end｜>",
    "Grok": f'<xai:function_call name="look">\n{PARAMS}\n</xai:function_call>',
    "OLMo": '<function_calls>\nlook(query="watch", limit=2)\n</function_calls>',
    "LFM": "<|tool_call_start|>[look(query='watch', limit=2)]<|tool_call_end|>",
    "Qwen, as the list of tools": f"<tools>\n{JSON}\n</tools>",
    "Qwen, in Python's quotes": f"<tool_call>\n{PYTHON}\n</tool_call>",
    "Qwen, with a comma too many": f'<tool_call>{{"name": "look", "arguments": {ARGS},}}</tool_call>',
    "name and arguments in tags": f"<tool_use>\n<name>look</name><arguments>{ARGS}</arguments></tool_use>",
    "Qwen-Agent": f"✿FUNCTION✿: look\n✿ARGS✿: {ARGS}\n",
    "stripped harmony": f"commentary to=functions.look json{ARGS}",
    "stripped harmony, with thoughts": f"analysisI look.assistantcommentary to=functions.look json{ARGS}",
    "ReAct": f"Action: look\nAction Input: {ARGS}",
    "ReAct, with thoughts": f"Thought: I look.\nAction: look\nAction Input: {ARGS}\nObservation:",
    "Gemma 4": '<|tool_call>call:look{query:<|"|>watch<|"|>,limit:2}<tool_call|>',
    "Gemma, for functions": "<start_function_call>call:look{query:<escape>watch<escape>,limit:2}"
    "<end_function_call>",
    "bare, Functionary": f">>>look\n{ARGS}",
    "bare, Phi": f" functools[{JSON}]",
    "bare, in Python": 'look(query="watch", limit=2)',
    "bare, GLM": f"look\n{ARGS}",
    "bare, in Python's quotes": PYTHON,
    "Cline": f"<use_mcp_tool>\n<server_name>s</server_name>\n<tool_name>look</tool_name>\n<arguments>\n"
    f"{ARGS}\n</arguments>\n</use_mcp_tool>",
    "a name in a tag, arguments in elements": f"<tool_call>\n<name>look</name>\n{ELEMENTS}\n</tool_call>",
    "elements in an element": f"<tool_call><look>{ELEMENTS}</look></tool_call>",
    "elements in a function": f"<function=look>\n{ELEMENTS}\n</function>",
    "arguments by name": '<function_call name="look"><arg name="query">watch</arg><arg name="limit">2</arg>'
    "</function_call>",
    "an input in a tag": f'<tool_use name="look"><input>{ARGS}</input></tool_use>',
    "bare, as Cline's": f"<look>\n{ELEMENTS}\n</look>",
    "bare, under its name": f'[{{"look": {ARGS}}}]',
    "bare, as OpenAI's parallel ones": '{"tool_uses": [{"recipient_name": "functions.look", "parameters": '
    f"{ARGS}}}]}}",
    "bare, as OpenAI's old ones": f'{{"function_call": {JSON}}}',
    "bare, in Python, with a namespace": f"functions.look({ARGS})",
    "stripped harmony, of an assistant": f"assistant to=functions.look json {ARGS}",
    "stripped harmony, without its channel": f"to=functions.look {ARGS}",
    "ReAct, as a tool": f"Tool: look\nTool Input: {ARGS}",
    "ReAct, as a tool with its input": f"Tool: look\nInput: {ARGS}",
    "ReAct, in bold": f"**Action:** `look`\n**Action Input:** {ARGS}",
    "ReAct, with its answer": f"Action: look\nAction Input: {ARGS}\nObservation: [1]\nFinal Answer: 1",
    "Llama, in Python": '<|python_tag|>look.call(query="watch", limit=2)',
    "behind thoughts": f"<think>I look.</think>\n\n<tool_call>{JSON}</tool_call>",
    "bare, behind thoughts": f"<think>I look.</think>\n\n{JSON}",
}  # fmt: skip


def stands(pieces: list[str], tools: list[Any], **more: Any) -> tuple[str, str, Reply]:
    """Return the text that stands at the end, the thoughts, and the reply."""
    builder = ReplyBuilder("m", tools)
    told: list[Piece] = []
    for piece in pieces:
        told += builder.add({"choices": [{"delta": {"content": piece, **more}}]})
    told += [*builder.add({"done": True}), *builder.end()]
    reply = told.pop()
    assert isinstance(reply, Reply)
    last = max((n for n, part in enumerate(told) if isinstance(part, Restart)), default=-1)
    text = "".join(part for part in told[last + 1 :] if isinstance(part, str))
    assert text == reply.text
    return text, "".join(part.text for part in told if isinstance(part, Thought)), reply


def splits(text: str) -> list[list[str]]:
    return [[text], [*text], [text[n : n + 3] for n in range(0, len(text), 3)]]


def names_and_args(reply: Reply) -> list[tuple[str, Any]]:
    return [(call.name.rpartition(".")[2], json.loads(call.arguments)) for call in reply.calls]


@pytest.mark.parametrize("model", CALLS)
def test_an_answer_that_is_a_call_is_one_and_is_not_shown(model: str) -> None:
    for pieces in splits(CALLS[model]):
        text, _, reply = stands(pieces, TOOLS)
        assert text == ""
        assert names_and_args(reply) == [("look", {"query": "watch", "limit": 2})]
        assert all(call.from_prose for call in reply.calls)


@pytest.mark.parametrize("model", ["DSML", "Mistral, later", "Qwen", "Kimi", "Llama", "GLM", "DeepSeek V3.1"])
def test_two_calls_in_prose_are_two(model: str) -> None:
    _, _, reply = stands([CALLS[model] + "\n" + CALLS[model]], TOOLS)
    assert len(reply.calls) == 2


MARKED = [
    m for m in CALLS if not m.startswith(("bare", "Llama 4", "ReAct", "stripped")) and "thoughts" not in m
]


@pytest.mark.parametrize("model", MARKED)
@pytest.mark.parametrize(("before", "behind"), [("I look. ", ""), ("", " so"), ("Write ", " for it.")])
def test_markup_within_a_text_is_no_call_and_is_not_shown_but_noted(
    model: str, before: str, behind: str
) -> None:
    for pieces in splits(f"{before}{CALLS[model]}{behind}"):
        text, _, reply = stands(pieces, TOOLS)
        assert (text.strip(), reply.calls) == ((before + behind.lstrip()).strip(), ())
        [note] = reply.notes
        assert note.code == "call_left_out"
        assert "look" in note.params["call"]


@pytest.mark.parametrize("model", MARKED)
def test_markup_without_tools_is_told(model: str) -> None:
    assert outcome([*CALLS[model]], tools=[]).code == "call_in_prose"


@pytest.mark.parametrize("model", [*MARKED, "Llama 4", "harmony, with thoughts", "behind thoughts"])
@pytest.mark.parametrize("cut", [1, 9, 20, 30, 36, 41, 45, 58, 63])
def test_markup_that_breaks_off_is_told_or_has_broken_arguments(model: str, cut: int) -> None:
    told = outcome([*CALLS[model][:-cut]])
    if isinstance(told, ModelError):
        assert told.code == "call_in_prose"
        return
    text, _, reply = told
    assert not text or model == "Llama 4" or len(text) < 12  # half a mark is none
    for call in reply.calls:
        assert not is_json(call.arguments) or json.loads(call.arguments) == json.loads(ARGS)


@pytest.mark.parametrize(
    ("markup", "query"),
    [
        ('[look(query="a(b), c=[1]")]', "a(b), c=[1]"),
        ("[look(query='it\\'s \"b\"')]", 'it\'s "b"'),
        (
            '<tool_call>{"name": "look", "arguments": {"query": "a </tool_call> b"}}</tool_call>',
            "a </tool_call> b",
        ),
        ('<tool_call>{"name": "look", "arguments": {"query": "a\nb"}}</tool_call>', "a\nb"),
    ],
)
def test_a_text_in_a_call_stays_as_it_is(markup: str, query: str) -> None:
    for pieces in splits(markup):
        assert names_and_args(stands(pieces, TOOLS)[2]) == [("look", {"query": query})]


@pytest.mark.parametrize("arguments", ["", ', "arguments": null', ', "parameters": []'])
def test_a_call_without_arguments_is_one(arguments: str) -> None:
    _, _, reply = stands([f'<tool_call>{{"name": "look"{arguments}}}</tool_call>'], TOOLS)
    assert names_and_args(reply) == [("look", {})]


def test_a_name_without_its_servers_is_one() -> None:
    offered = [{"function": {"name": f"shop_{name}", "parameters": LOOK}} for name in ("look", "buy")]
    text, _, reply = stands([JSON], offered)
    assert (text, names_and_args(reply)) == ("", [("look", {"query": "watch", "limit": 2})])


def test_what_harmony_says_before_a_call_stands() -> None:
    call = CALLS["harmony"]
    preamble = f"<|channel|>commentary<|message|>I look.<|end|><|start|>assistant{call}"
    for pieces in splits(preamble):
        text, _, reply = stands(pieces, TOOLS)
        assert (text, names_and_args(reply)) == ("I look.", [("look", {"query": "watch", "limit": 2})])


@pytest.mark.parametrize("model", CALLS)
def test_beside_real_calls_markup_is_dropped(model: str) -> None:
    calls = [{"index": 0, "id": "x", "function": {"name": "look", "arguments": "{}"}}]
    _, _, reply = stands([f"I look. {CALLS[model]}"], TOOLS, tool_calls=calls)
    assert [call.from_prose for call in reply.calls] == [False]


NOT_CALLS = [
    f"```json\n{JSON}\n```",
    f"Write `<tool_call>{JSON}</tool_call>` for it.",
    f"```\n<tool_call>{JSON}</tool_call>\n```\nLike this.",
    "`</think>` ends it",
    "~~~\n<think>\n~~~",
    '{"name": "other", "arguments": {}}',
    '{"price": 5}',
    '{"name": "look", "price": 5}',
    f"{JSON} is what I would send",
    "Use the <tool_call> tag, and the [TOOL_CALLS] mark, or <function= and <|tool_call|> too",
    "<tool_call> and </tool_call> are tags",
    "<toolbar> is a <tooltip>",
    "Action: buy shoes",
    "Tool: hammer\nInput: wood",
    "look {query}",
    "<look>here</look>",
    '{"look": "here"}',
    '[{"look": 3}]',
    "<toolbar><button/></toolbar>",
    "Action items: none",
    "Thought: none\nof them",
    "Thoughts on this?",
    ">>> print(1)",
    "look (again)",
    "looks good",
    "analysis of it",
    "functools.wraps(f)",
    "```python\nlook(query='x')\n```",
    "commentary to follow",
    "print(1)",
    "[1] first",
    "[a link](https://example.com)",
    "[ ] a task\n[x] another",
    "[looking back](x)",
    "1 < 2 and 2 <| 3",
    "<",
    "x <thin",
    "[",
    "{",
    "a <think>b",
]


@pytest.mark.parametrize("answer", NOT_CALLS)
def test_what_only_looks_like_it_is_shown(answer: str) -> None:
    for pieces in splits(answer):
        text, thoughts, reply = stands(pieces, TOOLS)
        assert (text, thoughts, reply.calls) == (answer, "", ())


THOUGHTS = {  # answer, text, thoughts
    "a block": ("<think>hm</think>\n\nok", "ok", "hm"),
    "another word": ("<thinking>hm</thinking>ok", "ok", "hm"),
    "a third": ("<thought>hm</thought>ok", "ok", "hm"),
    "Kimi": ("◁think▷hm◁/think▷ok", "ok", "hm"),
    "Mistral": ("[THINK]hm[/THINK]ok", "ok", "hm"),
    "with a blank in the tag": ("<think >hm</think >ok", "ok", "hm"),
    "with the end of another tag": ("<think>hm</thinking>ok", "ok", "hm"),
    "an analysis": ("<analysis>hm</analysis>ok", "ok", "hm"),
    "in capitals": ("<THINKING>hm</THINKING>ok", "ok", "hm"),
    "MiniMax": ("<mm:think>hm</mm:think>ok", "ok", "hm"),
    "LongCat": ("<longcat_think>hm</longcat_think>ok", "ok", "hm"),
    "Gemma 4": ("<|channel>thought\nhm<channel|>ok", "ok", "hm"),
    "MedGemma": ("<unused94>thought\nhm<unused95>ok", "ok", "hm"),
    "a template's own head": ("<|im_start|>assistant\n<think>hm</think>ok<|im_end|>", "ok", "hm"),
    "Llama's head": ("<|start_header_id|>assistant<|end_header_id|>\n\nok<|end_of_text|>", "ok", ""),
    "harmony": (
        "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>ok<|return|>",
        "ok",
        "hm",
    ),
    "Cohere": (
        "<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>ok<|END_RESPONSE|>",
        "ok",
        "hm",
    ),
    "without a beginning": ("hm, so\n</think>\n\nok", "ok", "hm, so\n"),
    "without a beginning, twice": ("h</think>m</think>ok", "ok", "hm"),
    "after text": ("Well. <think>hm</think>ok", "Well. ok", "hm"),
    "after text, on a line": ("Well.\n<think>\nhm\n</think>\nok", "Well.\n\nok", "\nhm\n"),
    "reasoning and answer": ("<reasoning>hm</reasoning>\n<answer>\nok\n</answer>", "ok\n", "hm"),
    "an answer in the middle": ("a <answer>ok</answer>", "a <answer>ok</answer>", ""),
    "a mark at the end": ("ok<|im_end|>", "ok", ""),
    "stripped harmony": ("analysisHm, so.assistantfinalok", "ok", "Hm, so."),
    "ReAct": ("Thought: hm\nFinal Answer: ok", "ok", "hm"),
    "two blocks": ("<think>h</think>a<think>m</think>b", "ab", "hm"),
    "nothing else": ("<think>hm", "", "hm"),
    "with a call within": ("<think><tool_call>{}</tool_call></think>ok", "ok", "<tool_call>{}</tool_call>"),
}


@pytest.mark.parametrize("how", THOUGHTS)
def test_thoughts_are_no_part_of_the_answer(how: str) -> None:
    answer, text, thoughts = THOUGHTS[how]
    for pieces in splits(answer):
        assert stands(pieces, TOOLS)[:2] == (text, thoughts)


@pytest.mark.parametrize(
    "told",
    [
        {"reasoning_content": "hm", "reasoning": "hm"},
        {"reasoning": {"content": "hm"}},
        {"reasoning_text": "hm"},
        {"thinking": "hm"},
        {"thought": "hm"},
        {"reasoning_details": [{"type": "reasoning.text", "text": "h"}, {"type": "x", "summary": "m"}]},
    ],
)
def test_thoughts_that_come_as_such_are_told(told: dict[str, Any]) -> None:
    text, thoughts, _ = stands(["a"], [], **told)
    assert (text, thoughts) == ("a", "hm")


def test_a_mark_that_what_comes_is_a_thought_is_no_thought() -> None:
    assert stands(["a"], [], thought=True)[:2] == ("a", "")


@pytest.mark.parametrize(
    "thinking",
    [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "thinking", "thinking": "hm"},
        {"type": "reasoning", "text": "hm"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
    ],
)
def test_thoughts_that_come_as_parts_of_the_content_are_told(thinking: dict[str, Any]) -> None:
    builder = ReplyBuilder("m")
    told = list(
        builder.add({"choices": [{"delta": {"content": [thinking, {"type": "text", "text": "ok"}]}}]})
    )
    assert told == [Thought("hm"), "ok"]


marks = st.sampled_from(
    [*"<>|`[]{}\n ", "think", "</think>", "<think>", "```", "tool_call", "<tool_call>", JSON, "文"]
)


@given(st.lists(marks | st.text(max_size=3), max_size=12), st.data())
def test_any_split_of_any_answer_comes_to_the_same(parts: list[str], data: st.DataObject) -> None:
    answer = "".join(parts)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(answer)), max_size=6)))
    pieces = [answer[a:b] for a, b in zip([0, *cuts], [*cuts, len(answer)], strict=True)]
    assert outcome(pieces) == outcome([answer])


def outcome(pieces: list[str], tools: list[Any] = TOOLS) -> Any:
    try:
        return stands(pieces, tools)
    except ModelError as error:
        return error


@pytest.mark.parametrize(
    "start",
    [
        "<tool_call>",
        '<invoke name="a">',
        "[TOOL_CALLS]a{",
        "<tool_call>a<arg_key>",
        "<function=a>",
        "[look(",
        " to=a<|message|>",
    ],
)
def test_markup_without_end_does_not_hold_anybody_up(start: str) -> None:
    for filling in (start, f"{start} ", " " * 9 + "x", "<parameter=a>", "[look(", "a=", '\\"', "<a>"):
        outcome([start + filling * (40_000 // len(filling))])
