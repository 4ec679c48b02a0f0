import type { CojsonInternalTypes, RawCoID, SessionID } from "cojson";
import { POINTERS_PER_PAGE, SESSIONS_PER_PAGE } from "./format.ts";

/** How far one coSession is stored. */
export interface StoredCoSession {
  readonly id: SessionID;
  /** Transactions stored, without a gap from the first. */
  readonly count: number;
  /** Characters of transactions since the last boundary, as cojson counts them. */
  readonly bytesSinceBoundary: number;
  /** Places where a streamed load may cut; 0 = the coSession is loaded in one piece. */
  readonly boundaries: number;
}

/** One coSession's part of a block. */
export interface PointerRange {
  /** Index in {@link CoValueRow.coSessions}. */
  readonly coSession: number;
  /** Transactions of the coSession up to and including this block. */
  readonly end: number;
  readonly boundary: boolean;
}

/** Where in the log a message is. */
export interface BlockPlace {
  readonly seq: number;
  /** Blocks it takes: more than one only for messages over the block limit. */
  readonly span: number;
  readonly bytes: number;
}

/** Where in the log a message is, and what is in it. */
export interface Pointer extends BlockPlace {
  readonly ranges: readonly PointerRange[];
}

/**
 * What the store knows about one CoValue without reading its transactions. Immutable: a change makes a new row, so a
 * reader always has one committed state, whatever the committer does meanwhile.
 *
 * On disk it is one key with the last page of coSessions and of pointers, and one key for each full page before them.
 * So a store rewrites a bounded number of bytes, however long the history or however many the coSessions.
 */
export interface CoValueRow {
  readonly id: RawCoID;
  readonly ordinal: number;
  /** The block that holds the header. */
  readonly header: BlockPlace;
  /** All of them, in order of appearance. */
  readonly coSessions: readonly StoredCoSession[];
  /** Full pages of pointers that are on disk under their own keys. */
  readonly sealedPointerPages: number;
  /** The pointers after the sealed ones. */
  readonly tail: readonly Pointer[];
  readonly erased: boolean;
}

type CoSessionFields = [id: string, count: number, bytesSinceBoundary: number, boundaries: number];
/** `seq, span, bytes`, then for each range `coSession, end, boundary`. */
type PointerFields = number[];
type HeadFields = [
  ordinal: number,
  header: [seq: number, span: number, bytes: number],
  sealedSessionPages: number,
  sealedPointerPages: number,
  erased: 0 | 1,
  lastSessions: CoSessionFields[],
  tail: PointerFields[],
];

/** The main key's value as read: complete but for the full pages of coSessions. */
export interface RowHead {
  readonly sealedSessionPages: number;
  /** Puts the row together from the full pages, in order. */
  complete(fullPages: readonly Buffer[]): CoValueRow;
}

export function encodeRowHead(row: CoValueRow): Buffer {
  const sealedSessionPages = sealedPages(row.coSessions.length, SESSIONS_PER_PAGE);
  const last = row.coSessions.slice(sealedSessionPages * SESSIONS_PER_PAGE);
  const fields: HeadFields = [
    row.ordinal,
    [row.header.seq, row.header.span, row.header.bytes],
    sealedSessionPages,
    row.sealedPointerPages,
    row.erased ? 1 : 0,
    last.map(coSessionFields),
    row.tail.map(pointerFields),
  ];
  return toBytes(fields);
}

/** @throws SyntaxError when the bytes are not a row. */
export function decodeRowHead(id: RawCoID, bytes: Buffer): RowHead {
  const fields = JSON.parse(bytes.toString()) as HeadFields;
  const [ordinal, header, sealedSessionPages, sealedPointerPages, erased, last, tail] = fields;
  return {
    sealedSessionPages,
    complete: (fullPages) => ({
      id,
      ordinal,
      header: { seq: header[0], span: header[1], bytes: header[2] },
      coSessions: [...fullPages.flatMap(decodeSessionPage), ...last.map(fromCoSessionFields)],
      sealedPointerPages,
      tail: tail.map(fromPointerFields),
      erased: erased === 1,
    }),
  };
}

/** Full page number `page` of the row's coSessions. */
export function encodeSessionPage(row: CoValueRow, page: number): Buffer {
  const start = page * SESSIONS_PER_PAGE;
  return toBytes(row.coSessions.slice(start, start + SESSIONS_PER_PAGE).map(coSessionFields));
}

export function encodePointerPage(pointers: readonly Pointer[]): Buffer {
  return toBytes(pointers.map(pointerFields));
}

/** @throws SyntaxError when the bytes are not a page. */
export function decodePointerPage(bytes: Buffer): Pointer[] {
  return (JSON.parse(bytes.toString()) as PointerFields[]).map(fromPointerFields);
}

/** How many of `length` items are on full pages; the last page stays in the main key even when it is full. */
export function sealedPages(length: number, perPage: number): number {
  return length === 0 ? 0 : Math.floor((length - 1) / perPage);
}

/** Pointers with one more; a full tail is handed back as a page to seal. */
export function addPointer(
  row: CoValueRow,
  pointer: Pointer,
): { tail: readonly Pointer[]; sealed: readonly Pointer[] | undefined } {
  if (row.tail.length < POINTERS_PER_PAGE) return { tail: [...row.tail, pointer], sealed: undefined };
  return { tail: [pointer], sealed: row.tail };
}

/** The row as cojson says it. */
export function knownStateOf(row: CoValueRow): CojsonInternalTypes.CoValueKnownState {
  const sessions: Record<SessionID, number> = {};
  for (const coSession of row.coSessions) sessions[coSession.id] = coSession.count;
  return { id: row.id, header: true, sessions };
}

/** Rough bytes of memory that a row takes, for the cache; measured on rows of 1 to 24 pointers in Node 24. */
export function rowWeight(row: CoValueRow): number {
  return 500 + row.coSessions.length * 250 + row.tail.length * 300;
}

function decodeSessionPage(bytes: Buffer): StoredCoSession[] {
  return (JSON.parse(bytes.toString()) as CoSessionFields[]).map(fromCoSessionFields);
}

function coSessionFields({ id, count, bytesSinceBoundary, boundaries }: StoredCoSession): CoSessionFields {
  return [id, count, bytesSinceBoundary, boundaries];
}

function fromCoSessionFields([id, count, bytesSinceBoundary, boundaries]: CoSessionFields): StoredCoSession {
  return { id: id as SessionID, count, bytesSinceBoundary, boundaries };
}

function pointerFields({ seq, span, bytes, ranges }: Pointer): PointerFields {
  return [
    seq,
    span,
    bytes,
    ...ranges.flatMap(({ coSession, end, boundary }) => [coSession, end, boundary ? 1 : 0]),
  ];
}

function fromPointerFields([seq = 0, span = 1, bytes = 0, ...rest]: PointerFields): Pointer {
  const ranges: PointerRange[] = [];
  for (let i = 0; i < rest.length; i += 3) {
    ranges.push({ coSession: rest[i] ?? 0, end: rest[i + 1] ?? 0, boundary: rest[i + 2] === 1 });
  }
  return { seq, span, bytes, ranges };
}

function toBytes(fields: unknown): Buffer {
  return Buffer.from(JSON.stringify(fields));
}
