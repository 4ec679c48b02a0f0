import { base58 } from "@scure/base";
import { idOfHeader } from "../../shared/header.ts";
import type { CoValueId } from "../../shared/ids.ts";

const bytes = (length: number, first: number, rest = 0) =>
  Uint8Array.from({ length }, (_, at) => (at ? rest : first));
const SEALER = `sealer_z${base58.encode(bytes(32, 9, 9))}`;
/** A point, and none of small order, for which a signature may be guessed: Ed25519's base point. */
const POINT = base58.encode(bytes(32, 0x58, 0x66));
/** Some 32 bytes that are no Ed25519 point. */
const NO_POINT = base58.encode(bytes(32, 2));

/** Agents with a key that is none, by what is wrong with it; and what a server says of it. */
export const HOSTILE_AGENTS: Readonly<Record<string, readonly [agent: string, cause: string]>> = {
  "a signer that is no point": [`${SEALER}/signer_z${NO_POINT}`, "the signer"],
  "a signer of no bytes": [`${SEALER}/signer_z`, "the signer"],
  "a signer of 31 bytes": [`${SEALER}/signer_z${base58.encode(bytes(31, 9, 9))}`, "the signer"],
  "a signer of 33 bytes": [`${SEALER}/signer_z${base58.encode(bytes(33, 9, 9))}`, "the signer"],
  "a signer of thousands of digits": [`${SEALER}/signer_z${"z".repeat(4_000)}`, "the signer"],
  "a signer with a digit that base58 has not": [`${SEALER}/signer_z${"I".repeat(43)}`, "the signer"],
  "a signer without its prefix": [`${SEALER}/signer_${NO_POINT}`, "the signer"],
  "a sealer of 31 bytes": [`sealer_z${base58.encode(bytes(31, 9, 9))}/signer_z${POINT}`, "the sealer"],
};

/** Content with a header, as anybody may send it. */
export interface HostileContent {
  readonly action: "content";
  readonly id: CoValueId;
  readonly header: object;
  readonly priority: number;
  readonly new: Record<string, object>;
}

/** A new CoValue that `group` owns, with one transaction by `author`. All that its maker needs to know is the group's id. */
export function valueBy(author: string, group: string, uniqueness: string): HostileContent {
  const ruleset = { type: "ownedByGroup", group };
  return contentOf({ type: "comap", ruleset, meta: null, uniqueness }, author);
}

/** A new account, whose writes `agent` would sign. */
export function accountOf(agent: string): HostileContent {
  const ruleset = { type: "group", initialAdmin: agent };
  const header = { type: "comap", ruleset, meta: { type: "account" }, createdAt: null, uniqueness: null };
  return { action: "content", id: idOfHeader(header), header, priority: 0, new: {} };
}

function contentOf(header: object, author: string): HostileContent {
  const transaction = { privacy: "trusting", madeAt: Date.now(), changes: "[]" };
  const batch = {
    after: 0,
    newTransactions: [transaction],
    lastSignature: `signature_z${base58.encode(bytes(64, 1))}`,
  };
  const coSession = `${author}_session_z${base58.encode(bytes(8, 3, 3))}`;
  return { action: "content", id: idOfHeader(header), header, priority: 3, new: { [coSession]: batch } };
}
