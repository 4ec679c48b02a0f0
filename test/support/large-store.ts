import { createHash } from "node:crypto";
import type { CojsonInternalTypes, LocalNode, RawCoID, SessionID, StorageAPI } from "cojson";
import { LocalNode as Node } from "cojson";
import { idOfHeader } from "../../shared/header.ts";
import { crypto } from "./crypto.ts";

type Content = CojsonInternalTypes.NewContentMessage;
type Filled = Pick<StorageAPI, "store" | "onCoValueUnmounted">;

/** A group with a large number of CoValues, of which some are real: signed, so that a node can load them. */
export interface LargeStore {
  /** Everyone may write what it owns. */
  readonly group: RawCoID;
  /** Real maps with one transaction each. */
  readonly maps: readonly RawCoID[];
}

/** Messages that wait for the disk at once. */
const IN_FLIGHT = 512;

/** Fills `storage` with `covalues` CoValues of one small message each, `real` of them real. */
export async function fillLargeStore(
  storage: Filled,
  { covalues, real }: { readonly covalues: number; readonly real: number },
): Promise<LargeStore> {
  const { node } = Node.internalCreateAccount({ crypto }).core;
  const group = node.createGroup();
  group.addMember("everyone", "writer");
  const maps = Array.from({ length: real }, (_, index) => {
    const map = group.createMap();
    map.set("title", `task ${index}, which somebody has written down`);
    return map.id;
  });
  const owners = [node.expectCurrentAccount("who makes the group").id, group.id];
  await storeAll(storage, messages(node, [...owners, ...maps], covalues - real - owners.length));
  return { group: group.id, maps };
}

function* messages(node: LocalNode, ids: readonly RawCoID[], others: number): Generator<Content> {
  for (const id of ids) yield* node.expectCoValueLoaded(id).newContentSince(undefined) ?? [];
  for (let number = 0; number < others; number++) yield madeUp(number);
}

/** Stores all of it, hundreds of messages at a time. */
export async function storeAll(storage: Filled, contents: Iterator<Content>): Promise<void> {
  const lane = async () => {
    for (let next = contents.next(); !next.done; next = contents.next()) {
      const { value } = next;
      await new Promise<void>((done) => storage.store(value, () => undefined, done));
      storage.onCoValueUnmounted(value.id);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
}

/** What looks like a CoValue to a storage, which checks no signatures. */
export function madeUp(number: number): Content {
  const header: CojsonInternalTypes.CoValueHeader = {
    type: "comap",
    ruleset: { type: "unsafeAllowAll" },
    meta: null,
    createdAt: null,
    uniqueness: `z${number}`,
  };
  const id = idOfHeader(header) as string as RawCoID;
  const text = createHash("sha512").update(id).digest("base64url");
  const transaction = {
    privacy: "private",
    madeAt: 1_750_000_000_000,
    keyUsed: "key_zNoSuchKey",
    encryptedChanges: `encrypted_U${text}${text}`,
  } as unknown as CojsonInternalTypes.Transaction;
  const coSession = `${id}_session_z1` as SessionID;
  const lastSignature = `signature_z${text}` as CojsonInternalTypes.Signature;
  return {
    action: "content",
    id,
    header,
    priority: 3,
    new: { [coSession]: { after: 0, newTransactions: [transaction], lastSignature } },
  };
}
