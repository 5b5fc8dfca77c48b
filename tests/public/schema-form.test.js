import assert from "node:assert/strict";
import {test} from "node:test";
import {resolveSchema} from "../../public/schema-form.js";

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
]) {
	test(`${JSON.stringify(schema)} asks for ${type}`, () =>
		assert.equal(resolveSchema(schema, root).type, type));
}
