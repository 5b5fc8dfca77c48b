// The data that the page's parts pass to one another; known to all of them, and read by the type checker only.

type Params = Record<string, unknown>;

/** Why something failed; `detail` is the back end's own sentence, as is the result of a call, or a server's error. */
type Failure = {code?: string | null; params?: Params; detail?: string | null; result?: string; error?: string | null};

// --- what the back end lists ---------------------------------------------------------------------------------

/** Of mcp.json, with its failure while it is down; `fingerprint` is that of its entry. */
type Server = {
	name: string;
	status: string;
	transport: string;
	url: string;
	protocolVersion: string | null;
	error: string | null;
	code?: string | null;
	params?: Params;
	fingerprint?: string;
	signIn?: "needed" | "done" | null;
	/** Its resources of which the page is told when they change. */
	watched?: string[];
	/** The shop behind it does not answer. */
	shopAway?: boolean;
	/** Where that shop counts its days, once it has said so. */
	timezone?: string | null;
	/** What is odd about it, and what of its lists cannot be used. */
	notes?: Note[];
	skipped?: Note[];
};

/** `text` is the back end's own sentence. */
type Note = {code: string; params: Params; text: string};

/** Of JSON Schema the part that a form shows; a stranger's, so anything may be anything. */
type Schema = {type?: unknown; title?: unknown; description?: unknown; properties?: unknown; required?: unknown} & Rules;
type Rules = {enum?: unknown; enumNames?: unknown; items?: unknown; format?: unknown; default?: unknown} & Bounds;
type Bounds = {[name in "minimum" | "maximum" | "minLength" | "maxLength" | "minItems" | "maxItems"]?: unknown} & More;
type More = {[name in "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" | "pattern" | "additionalProperties"]?: unknown};

type Address = {server: string; name: string};
type Prompt = Address & {title: string; description: string; input_schema: Schema};
type Tool = Prompt & {
	output_schema: Schema | null;
	readOnly: boolean;
	honoursKey?: boolean;
	fingerprint: string;
	/** About how many it takes to offer it. */
	tokens?: number;
	/** The address of the app that shows its calls; whether its server's apps may call it. */
	app?: string;
	appsMay?: boolean;
};

/** A model of a provider that is configured. */
type ModelChoice = {provider: string; name: string};
/** As its provider lists it: how many tokens it reads at once, and whether it sees pictures. */
type ListedModel = {name: string; window?: number | null; sees?: boolean | null};

/** Of the back end; `online`: it answers. */
type Status = {
	online: boolean;
	model: {name?: string; demo?: boolean; window?: number | null};
	/** That can be chosen, the usual one first. */
	models: ModelChoice[];
	/** What the tools may take, also of a window, before the model searches them, and what each counts for at least. */
	toolTokens?: {max: number; share: number; each: number} | null;
	servers: Server[];
	/** Why mcp.json cannot be read since it was edited: the servers are those of before. */
	config?: Note | null;
	tools: Tool[];
	/** That only apps call. */
	appTools?: Tool[];
	/** Where the frames of apps are served, where that is set. */
	apps?: string;
	prompts: Prompt[];
};

// --- what it answers -----------------------------------------------------------------------------------------

type ServerEvent = {event: string; data: any};

/** The data of each event of an answer. */
type TurnEvents = {
	thinking: {delta: string};
	text: {delta: string; restart?: boolean};
	html: {html: string; keep?: number};
	message: {message: Message};
	tool_call: Call & {id: string};
	approval: Failure & {id: string};
	question: Question & {call: string};
	tool_progress: Progress & {id: string};
	tool_result: Call & {id: string};
	usage: Usage;
	compacted: {message: Message; questions: number};
	error: Failure;
	done: {reason: string};
};
/** Tokens as the provider counts them, dollars where they are known, and how much the model reads at most. */
type Usage = {input: number; output: number; cost?: number | null; window?: number | null};
type ToolAnswer = {result: string; isError?: boolean; code?: string | null; params?: Params; media?: Media[]};
type Row = Record<string, unknown>;
/** Of a resource; `ui` is what an app asks of its host. */
type Content = {uri: string; mimeType: string; text?: string; blob?: string; html?: string; ui?: unknown};

// --- conversations -------------------------------------------------------------------------------------------

type ToolCall = {id: string; function: {name: string; arguments: string}};

/** Of OpenAI's chat format; `error` of a call that failed, or why an answer is only a part; `compacted` of a summary. */
type Message = {role: string; content?: unknown; tool_calls?: ToolCall[]; tool_call_id?: string; error?: Failure; notes?: Failure[]; compacted?: unknown};

/** A message as it came, how an answer looked, what the model thought before it, what was attached to a question, what its answer took, and whether it broke off. */
type Entry = {message: Message; html?: string; thoughts?: string; thoughtMs?: number; files?: Attachment[]; usage?: Usage; part?: boolean};

/** A picture as a data URL, or a text, and what is to be known of it; its size is that of what is sent, in bytes. */
type Attachment = {name: string; size: number; url?: string; text?: string; about?: string};
type Progress = {progress: number; total?: number | null; message?: string | null};

/** A part of a result that is no text, its data in base64; a resource has a uri, and without data it is a link. */
type Media = {mime_type: string; data: string; uri?: string | null; name?: string | null};

type Answer = {action: "accept" | "decline" | "cancel"; content?: Params | null};

/** What a server asks in the middle of a call; a failure says why an answer was not taken, of which `content` is what was filled in. */
type Question = Failure & {id: string; server: string; message: string; schema: Schema; url: string; state: string; wording?: unknown} & Given;
type Given = {answer?: Answer | null; content?: Params | null};

/** What is known of a tool call: what was asked, what came of it, and what was decided. */
type Call = {
	server: string;
	tool: string;
	title?: string;
	args?: unknown;
	/** The arguments' text as it will be executed, and whether the model wrote it otherwise. */
	raw?: string;
	mended?: boolean;
	/** Sent twice under its id, the call runs once. */
	honoursKey?: boolean;
	readOnly?: boolean;
	fingerprint?: string;
	result?: string;
	isError?: boolean;
	unknown?: boolean;
	/** It had run before, under the same key. */
	replayed?: boolean;
	/** Of a failure. */
	code?: string | null;
	params?: Params;
	ms?: number;
	/** When it began to run, as this browser saw it; nothing while it waits, or once somebody has stopped it. */
	at?: number;
	media?: Media[];
	/** The app that shows it, and what that is shown beside the result. */
	app?: any;
	progress?: Progress | null;
	/** Allowed for ever, so nobody was asked. */
	auto?: boolean;
	/** By its server, and not taken up since. */
	questions?: Question[];
	/** For the user's decision; and why it does so again. */
	waiting?: boolean;
	why?: Failure | null;
	/** Decided, while others of the same message still wait. */
	chosen?: unknown;
	/** What the purchase was shown to cost when it was confirmed. */
	confirmed?: {total: number} | null;
	/** It came out of a file, and cannot be made again. */
	imported?: boolean;
	/** And nothing else. */
	isPurchase?: boolean;
	/** As it was right after the purchase. */
	stock?: Stock;
};

type Queued = {text: string; files: Attachment[]; soon?: boolean};

type Conversation = {
	id: string;
	/** Who answers it; else the usual model. */
	model?: ModelChoice;
	title: string;
	/** When it was last continued, in ms. */
	at: number;
	entries: Entry[];
	/** By tool call id, as are the approvals. */
	calls: Record<string, Call>;
	approvals: Record<string, boolean>;
	/** Other arguments for calls that wait, until they are taken. */
	edits?: Record<string, Params>;
	/** What all of it took; and how much of the model's window is full. */
	usage?: Usage;
	full?: number;
	/** It stands first in the list. */
	pinned?: boolean;
	/** Questions that go out when the answer has ended; one that is to go out `soon`, after the running calls. */
	queued?: Queued[];
	/** Of what IndexedDB holds. */
	version?: string;
	removed?: boolean;
};

/** What was typed before, and what takes more of it: nothing, once that is done. */
type Typed = {begun?: any; typed?: (values?: unknown) => void};

/** What the user decides beside yes or no: allowed from now on; the total that was shown. */
type Decision = {forEver?: boolean; total?: number | null};

// --- what the user has chosen --------------------------------------------------------------------------------

type Choice = "theme" | "lang" | "current" | "tab" | "salesBy" | "sort" | "products";
/** Servers whose apps are shown; tools that run without asking; that ask although they only read; that have asked; what is switched off. */
type ToolList = "apps" | "always" | "askFirst" | "asked" | "off" | "offPrompts";
/** With another fingerprint it is another tool. */
type ListedTool = {server: string; tool: string; fingerprint?: string};
type Preferences = {[name in Choice]?: string} & {[name in ToolList]?: ListedTool[]};

// --- the shop ------------------------------------------------------------------------------------------------

type OrderLine = {productId: number; quantity: number};
type Purchase = {customerName: string; items: OrderLine[]; idempotencyKey?: string | null};
type Order = Purchase & {id: number; totalAmount: number; orderDate: string; status?: string};
type StockRow = {productId: number; quantity: number; product?: {name: string; price: number; description?: string; image?: string}};
/** Makes what a row unfolds to, and what is done to that when the row's item is another. */
type Update<T> = (item: T) => void;
type Fill<T> = (body: HTMLElement, item: T) => Update<T>;
/** By product id. */
type Stock = Record<string, {name?: string; price?: number; quantity?: number}>;
