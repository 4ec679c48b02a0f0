import { idOfHeader } from "../../shared/header.ts";
import { contentOf, newNode } from "./real-values.ts";

const MB = 1024 * 1024;
const ID = "co_zQVMHLerq9tc7NcL31jQDRTsrWU";
const HEADER = {
  type: "comap",
  ruleset: { type: "unsafeAllowAll" },
  meta: null,
  createdAt: null,
  uniqueness: "flood",
};

/** `count` times `what`, as the elements of a JSON list. */
const many = (what: string, count: number) => `[${`${what},`.repeat(count - 1)}${what}]`;

function coSessions(count: number): string {
  return Array.from({ length: count }, (_, n) => `"co_z${"x".repeat(26)}_session_z${n}x":1`)
    .join(",")
    .replaceAll("0", "A");
}

function reconciles(count: number): string {
  return Array.from(
    { length: count },
    (_, n) => `{"action":"reconcile","id":"batch ${n}","values":[["${ID}","hash"]]}`,
  ).join("\n");
}

/** Frames that cost far more than they are long, where nothing bounds them before they are parsed. */
export const FLOODS: Readonly<Record<string, () => string>> = {
  "a million line feeds": () => "\n".repeat(1_000_000),
  "30 MB of line feeds": () => "\n".repeat(30 * MB),
  "15.5 MB of opening brackets": () => "[".repeat(15.5 * MB),
  "a message with 15.5 MB of opening brackets": () =>
    `{"action":"load","id":"${ID}","header":${"[".repeat(15.5 * MB)}`,
  "a header with five million objects": () => {
    const header = JSON.stringify({ ...HEADER, meta: { a: 0 } }).replace(
      '"a":0',
      `"a":${many("{}", 5_000_000)}`,
    );
    return `{"action":"content","id":"${ID}","priority":3,"header":${header},"new":{}}`;
  },
  "a transaction with five million lists": () =>
    `{"action":"content","id":"${ID}","priority":3,"new":{"co_zx_session_zx":{"after":0,"lastSignature":"","newTransactions":[{"a":${many("[]", 5_000_000)}}]}}}`,
  "a reconciliation of five million lists": () =>
    `{"action":"reconcile","id":"batch","values":${many("[]", 5_000_000)}}`,
  "a known state of 100,000 coSessions": () =>
    `{"action":"load","id":"${ID}","header":true,"sessions":{${coSessions(100_000)}}}`,
  "a long escaped name before five million lists": () =>
    `{"\\u0061ction":"load","id":"${ID}","x":${many("[]", 5_000_000)}}`,
  "20,000 reconciliations of one id": () => reconciles(20_000),
  "4,000 reconciliations of one id": () => reconciles(4_000),
};

/** A new group's content with a transaction that is no JSON. Long enough to be read by its envelope only. */
export async function brokenGroup(chars: number): Promise<{ readonly id: string; readonly text: string }> {
  const { node } = await newNode();
  const group = node.createGroup();
  const content = JSON.parse(contentOf(group)[0] ?? "") as object;
  const text = JSON.stringify({ ...content, padding: "x".repeat(chars) });
  return { id: group.id, text: text.replace('"newTransactions":[', '"newTransactions":[1 2,') };
}

/** A CoValue whose content needs nothing: an honest message of any length. */
export function honestContent(chars: number): { readonly id: string; readonly text: string } {
  const id = idOfHeader(HEADER);
  return {
    id,
    text: JSON.stringify({
      action: "content",
      id,
      priority: 3,
      header: HEADER,
      new: {},
      padding: "x".repeat(chars),
    }),
  };
}
