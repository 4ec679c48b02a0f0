import { SpriteSyncError } from "./errors.ts";
import type { CoValueHeader } from "./header.ts";
import { flawOfHeader } from "./header-flaw.ts";
import { type CoValueId, isCoSessionId, isCoValueId } from "./ids.ts";
import { countElements, ScanError, type Span, scanObject, skipSpace } from "./json-scan.ts";
import type { CoSessions, KnownState } from "./known-state.ts";
import { LIMITS } from "./limits.ts";
import { parseJson, parseRead, parseSpan, SMALL_CHARS } from "./parse-json.ts";
import type { TransactionLike } from "./placement.ts";

/**
 * One cojson sync message (0.20.19, `src/sync.ts`), read as far as routing needs it. `text` is the message as it came:
 * it is what travels on, so members that we do not know survive untouched.
 */
export type Message =
  | LoadMessage
  | KnownMessage
  | ContentMessage
  | DoneMessage
  | BatchMessage
  | ImpossibleMessage
  | ControlMessage;

interface Received {
  readonly text: string;
}
export interface LoadMessage extends Received {
  readonly action: "load";
  readonly id: CoValueId;
  readonly state: KnownState;
}
export interface KnownMessage extends Received {
  readonly action: "known";
  readonly id: CoValueId;
  readonly state: KnownState;
  readonly isCorrection: boolean;
}
export interface ContentMessage extends Received {
  readonly action: "content";
  readonly id: CoValueId;
  readonly header: CoValueHeader | undefined;
  /** How many transactions of each coSession the receiver must already have: the message's `after`. */
  readonly starts: CoSessions;
  /** Where the message brings each coSession: its `after` plus the number of its new transactions. */
  readonly reaches: CoSessions;
}
export interface DoneMessage extends Received {
  readonly action: "done";
  readonly id: CoValueId;
}
/** About an id that no header can hash to, so that there is no such CoValue anywhere: see `answerImpossible` in answers.ts. */
export interface ImpossibleMessage extends Received {
  readonly action: "impossible";
  readonly about: "load" | "known" | "content" | "done";
  /** Any text, of any length. */
  readonly id: string;
}
export type BatchMessage = ReconcileMessage | ReconcileAckMessage;
export interface ReconcileMessage extends Received {
  readonly action: "reconcile";
  readonly batch: string;
  /** CoValue ids with the hash of their sessions. Ids that no header can hash to are left out, also of `text`. */
  readonly values: readonly (readonly [CoValueId, string])[];
}
export interface ReconcileAckMessage extends Received {
  readonly action: "reconcile-ack";
  readonly batch: string;
}
/** Not cojson's sync protocol: the server's `ping`, and between edge and Sprite `hello` and `error`. */
export interface ControlMessage extends Received {
  readonly action: "control";
  readonly type: string;
}

/** Content that is well-formed and that no cojson node stores: an app may send it again and again, in good faith. */
export class RefusedContent extends SpriteSyncError {}

/**
 * Reads one message: a short one by `JSON.parse`, a long one by scanning. Both give the same result. `JSON.parse` is native:
 * it reads 475 characters of content in 2.4 µs and the scanner in 3.8; it reads 96 KB in 53 µs and the scanner in 7.5 (Node
 * 24, one machine).
 * @throws SpriteSyncError `bad-message` or `too-large`, naming the member that is wrong; never quoting its value. It is a
 *   {@link RefusedContent} when the message is well-formed.
 */
export function parseMessage(text: string): Message {
  if (text.length > LIMITS.messageChars) {
    throw new SpriteSyncError(
      "too-large",
      `a message of ${text.length} characters is over ${LIMITS.messageChars}`,
    );
  }
  return text.length < SMALL_CHARS ? parseMessageSlowly(text) : parseMessageByScan(text);
}

/**
 * Looks only at the members that are needed and never builds the transactions; whatever it does not understand goes
 * through `JSON.parse`, which decides.
 */
export function parseMessageByScan(text: string): Message {
  try {
    return readMessage(text, scanFields(text));
  } catch (error) {
    if (!(error instanceof ScanError || error instanceof SyntaxError)) throw error;
  }
  return parseMessageSlowly(text);
}

/** Parses the whole message: the reference that scanning is tested against. */
export function parseMessageSlowly(text: string): Message {
  return readMessage(text, parseFields(text));
}

/**
 * The transactions of a content message that are objects, in its order. Parses the whole text: only placement of new
 * groups asks.
 * @throws SpriteSyncError `bad-message` when the text is no JSON: of a long one only the envelope has been read.
 */
export function transactionsOf(message: ContentMessage): TransactionLike[] {
  const parsed = parseText(message.text, parseRead) as {
    new: Record<string, { newTransactions: unknown[] }>;
  };
  // What a transaction looks like is the Sprite's to judge; routing only must not stumble over it.
  return Object.values(parsed.new).flatMap((coSession) => coSession.newTransactions.filter(isRecord));
}

/** The transactions that a content message brings, counted for each coSession. */
type TransactionSpans = Pick<ContentMessage, "starts" | "reaches">;

/** The members of a message, however they are found. */
interface Fields {
  /** The parsed value of a member, `undefined` where it is missing. */
  get(name: string): unknown;
  spans(): TransactionSpans;
}

function scanFields(text: string): Fields {
  const spans = new Map<string, Span>();
  const meter = { left: LIMITS.jsonElements };
  const end = scanObject(text, skipSpace(text, 0), (name, span) => spans.set(name, span), meter);
  if (skipSpace(text, end) !== text.length) throw new ScanError("something follows the message");
  return {
    get: (name) => {
      const span = spans.get(name);
      return span && readMember(text, name, span);
    },
    spans: () => {
      const span = spans.get("new");
      if (!span) throw badField("new", "an object");
      return scanSpans(text, span);
    },
  };
}

/** What the larger members may hold, in JSON values. */
const MEMBER_ELEMENTS: Readonly<Record<string, number>> = {
  sessions: LIMITS.coSessions + 1,
  // A pair is a bracket and two commas.
  values: 3 * LIMITS.reconcileValues + 1,
};

/** A member is judged after it was parsed; before, by how much it can become. */
function readMember(text: string, name: string, span: Span): unknown {
  const elements = MEMBER_ELEMENTS[name];
  if (elements) return parseSpan(text, span, elements, `\`${name}\` of a message`);
  // The text of an id may have any length, and `JSON.stringify` writes a header as short as it can be.
  const isText = text[span.start] === '"';
  if (!isText && span.end - span.start > LIMITS.headerChars) {
    throw new SpriteSyncError(
      "too-large",
      `\`${name}\` of a message must hold at most ${LIMITS.headerChars} characters`,
    );
  }
  return JSON.parse(text.slice(span.start, span.end));
}

function scanSpans(text: string, span: Span): TransactionSpans {
  const found: TransactionSpans = { starts: {}, reaches: {} };
  scanObject(text, span.start, (coSession, value) => {
    let after: unknown;
    let count = -1;
    scanObject(text, value.start, (name, member) => {
      if (name === "after") after = readMember(text, name, member);
      else if (name === "newTransactions") count = countElements(text, member);
    });
    if (count < 0) throw badField("new", "transactions");
    addSpan(found, coSession, after, count);
  });
  return found;
}

function parseText(text: string, parse = parseJson): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof SpriteSyncError) throw error;
    throw new SpriteSyncError("bad-message", "a message is not JSON; send one JSON object per line");
  }
}

function parseFields(text: string): Fields {
  const parsed = parseText(text);
  if (!isRecord(parsed)) {
    throw new SpriteSyncError("bad-message", "a message is not a JSON object; send one JSON object per line");
  }
  const message = parsed;
  return {
    get: (name) => (Object.hasOwn(message, name) ? message[name] : undefined),
    spans: () => {
      if (!isRecord(message.new)) throw badField("new", "an object");
      const found: TransactionSpans = { starts: {}, reaches: {} };
      for (const [coSession, value] of Object.entries(message.new)) {
        if (!isRecord(value) || !Array.isArray(value.newTransactions)) throw badField("new", "transactions");
        addSpan(found, coSession, value.after, value.newTransactions.length);
      }
      return found;
    },
  };
}

function tooMany(name: string): SpriteSyncError {
  return new SpriteSyncError(
    "too-large",
    `\`${name}\` of a message must hold at most ${LIMITS.coSessions} coSessions`,
  );
}

function addSpan(found: TransactionSpans, coSession: string, after: unknown, count: number): void {
  if (!isCoSessionId(coSession)) throw badField("new", "session ids as keys");
  if (!isCount(after)) throw badField("after", "a count");
  found.starts[coSession] = after;
  found.reaches[coSession] = after + count;
}

function readMessage(text: string, fields: Fields): Message {
  const action = fields.get("action");
  switch (action) {
    case "load":
    case "known":
    case "content":
    case "done": {
      const id = fields.get("id");
      if (isCoValueId(id)) return readValueMessage(text, fields, action, id);
      if (typeof id === "string") return { action: "impossible", about: action, id, text };
      throw badField("id", "a CoValue id (co_z…)");
    }
    case "reconcile":
      return readReconcile(text, fields);
    case "reconcile-ack":
      return { action, batch: readBatch(fields), text };
    case undefined: {
      const type = fields.get("type");
      if (typeof type === "string") return { action: "control", type, text };
      throw new SpriteSyncError("bad-message", "a message has no `action`");
    }
    default:
      throw new SpriteSyncError("bad-message", "a message has an unknown `action`");
  }
}

function readValueMessage(
  text: string,
  fields: Fields,
  action: ImpossibleMessage["about"],
  id: CoValueId,
): Message {
  switch (action) {
    case "load":
      return { action, id, state: readKnownState(fields), text };
    case "known": {
      const isCorrection = fields.get("isCorrection") === true;
      return { action, id, state: readKnownState(fields), isCorrection, text };
    }
    case "content":
      return { action, id, header: readHeader(fields), ...fields.spans(), text };
    case "done":
      return { action, id, text };
  }
}

function readReconcile(text: string, fields: Fields): ReconcileMessage {
  const action = "reconcile";
  const batch = readBatch(fields);
  const all = readValues(fields);
  const values = all.filter((value): value is readonly [CoValueId, string] => isCoValueId(value[0]));
  if (values.length === all.length) return { action, batch, values, text };
  return { action, batch, values, text: JSON.stringify({ action, id: batch, values }) };
}

function readBatch(fields: Fields): string {
  const batch = fields.get("id");
  if (typeof batch !== "string" || batch === "" || batch.length > 256) throw badField("id", "a batch id");
  return batch;
}

function readKnownState(fields: Fields): KnownState {
  const header = fields.get("header");
  const sessions = fields.get("sessions");
  if (typeof header !== "boolean") throw badField("header", "true or false");
  if (!isRecord(sessions)) throw badField("sessions", "an object");
  const entries = Object.entries(sessions);
  if (entries.length > LIMITS.coSessions) throw tooMany("sessions");
  for (const [coSession, count] of entries) {
    if (!isCoSessionId(coSession)) throw badField("sessions", "session ids as keys");
    if (!isCount(count)) throw badField("sessions", "counts");
  }
  return { header, sessions: sessions as CoSessions };
}

function readHeader(fields: Fields): CoValueHeader | undefined {
  const header = fields.get("header");
  if (header === undefined || header === null) return undefined;
  const flaw = flawOfHeader(header);
  if (flaw) throw new RefusedContent("bad-message", `${flaw}; cojson stores no such value`);
  if (JSON.stringify(header).length > LIMITS.headerChars) {
    throw new SpriteSyncError(
      "too-large",
      `\`header\` of a message must hold at most ${LIMITS.headerChars} characters`,
    );
  }
  return header as CoValueHeader;
}

function readValues(fields: Fields): readonly (readonly [string, string])[] {
  const values = fields.get("values");
  if (!Array.isArray(values) || values.length > LIMITS.reconcileValues) {
    throw badField("values", `at most ${LIMITS.reconcileValues} [id, hash] pairs`);
  }
  for (const value of values) {
    if (!Array.isArray(value) || typeof value[0] !== "string" || typeof value[1] !== "string") {
      throw badField("values", "[id, hash] pairs");
    }
  }
  return values as [string, string][];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function badField(name: string, expected: string): SpriteSyncError {
  return new SpriteSyncError("bad-message", `\`${name}\` of a message must hold ${expected}`);
}
