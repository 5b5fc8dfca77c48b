import assert from "node:assert/strict";
import {test} from "node:test";
import {resolveSchema} from "../../public/schema-form.js";

const root = {
	$defs: {Line: {type: "object", properties: {id: {type: "integer"}}}, Alias: {$ref: "#/$defs/Line"}},
};

for (const [schema, type] of [
	[{type: "string"}, "string"],
	[{$ref: "#/$defs/Line"}, "object"],
	[{$ref: "#/$defs/Alias"}, "object"],
	[{$ref: "#/$defs/Missing", type: "string"}, "string"],
	[{anyOf: [{type: "null"}, {type: "integer"}]}, "integer"],
	[{anyOf: [{$ref: "#/$defs/Line"}, {type: "null"}]}, "object"],
]) {
	test(`${JSON.stringify(schema)} asks for ${type}`, () =>
		assert.equal(resolveSchema(schema, root).type, type));
}
