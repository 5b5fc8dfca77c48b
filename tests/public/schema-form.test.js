import assert from "node:assert/strict";
import {test} from "node:test";
import {problemOf, resolveSchema} from "../../public/form-fields.js";

const root = {
	$defs: {
		Line: {type: "object", properties: {id: {type: "integer"}}},
		Alias: {$ref: "#/$defs/Line"},
		Circle: {$ref: "#/$defs/Other", description: "round"},
		Other: {anyOf: [{$ref: "#/$defs/Circle"}]},
	},
	definitions: {"a/b": {type: "number"}},
};

for (const [schema, type] of [
	[{type: "string"}, "string"],
	[{type: ["null", "string"]}, "string"],
	[{$ref: "#/$defs/Line"}, "object"],
	[{$ref: "#/$defs/Alias"}, "object"],
	[{$ref: "#/$defs/Missing", type: "string"}, "string"],
	[{$ref: "#/constructor", type: "string"}, "string"],
	[{$ref: "#/definitions/a~1b"}, "number"],
	[{$ref: "https://example.com/#/$defs/Line"}, undefined],
	[{$ref: {}, properties: null}, undefined],
	[{anyOf: [{type: "null"}, {type: "integer"}]}, "integer"],
	[{anyOf: [{$ref: "#/$defs/Line"}, {type: "null"}]}, "object"],
	[{oneOf: [true, null, {type: "boolean"}]}, "boolean"],
	[{allOf: [{$ref: "#/$defs/Line"}]}, "object"],
	[{anyOf: "x"}, undefined],
	[{$ref: "#/$defs/Circle"}, undefined],
	[{$ref: "#"}, undefined],
	[true, undefined],
	[null, undefined],
	[[], undefined],
	[{const: 7}, undefined],
]) {
	test(`${JSON.stringify(schema)} asks for ${type}`, () =>
		assert.equal(resolveSchema(schema, root).type, type));
}

test("what is constant, and what has titles, is chosen by name", () => {
	assert.deepEqual(resolveSchema({const: 7}, root).enum, [7]);
	const titled = resolveSchema({oneOf: [{const: 1, title: "one"}, {const: 2}]}, root);
	assert.deepEqual(
		[titled.enum, titled.enumNames],
		[
			[1, 2],
			["one", 2],
		],
	);
});

for (const [schema, value, problem] of [
	[{type: "integer"}, 1.5, "应当是整数"],
	[{type: "number"}, "x", "应当是数字"],
	[{type: "integer", minimum: 1}, 0, "不能小于 1"],
	[{type: "integer", maximum: 5}, 6, "不能大于 5"],
	[{type: "number", exclusiveMinimum: 0}, 0, "应当大于 0"],
	[{type: "number", exclusiveMaximum: 1}, 1, "应当小于 1"],
	[{type: "number", multipleOf: 0.1}, 0.3, ""],
	[{type: "number", multipleOf: 0.01}, 0.005, "应当是 0.01 的倍数"],
	[{type: "number", multipleOf: 5}, 0, ""],
	[{type: "number", minimum: "many"}, -1, ""],
	[{type: "string", minLength: 2}, "一", "至少 2 个字符"],
	[{type: "string", maxLength: 2}, "一二三", "最多 2 个字符，现在有 3 个"],
	[{type: "string", maxLength: 1}, "😀", ""],
	[{type: "string", pattern: "^[a-z]+$"}, "A1", "格式应当是 ^[a-z]+$"],
	[{type: "string", pattern: "b"}, "abc", ""],
	[{type: "string", pattern: "("}, "x", ""],
	[{type: "string", pattern: {}}, "x", ""],
	[{type: "array"}, "[1", "不是有效的 JSON"],
	[{type: "array"}, {}, "不是有效的 JSON"],
	[{type: "object"}, {}, ""],
	[{}, "anything", ""],
]) {
	test(`${JSON.stringify(value)} for ${JSON.stringify(schema)}: ${problem || "right"}`, () =>
		assert.equal(problemOf(schema, value), problem));
}
