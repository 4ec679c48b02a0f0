import { base58 } from "@scure/base";
import { LocalNode } from "cojson";
import type { NapiCrypto } from "cojson/crypto/NapiCrypto";
import type { WasmCrypto } from "cojson/crypto/WasmCrypto";
import fc from "fast-check";

export type Kind = keyof ReturnType<typeof genuineArguments>;

/** What a node hands to its crypto when nobody means harm, by kind. */
export function genuineArguments(crypto: NapiCrypto | WasmCrypto) {
  const { node } = LocalNode.internalCreateAccount({ crypto }).core;
  const map = node.createGroup().createMap();
  map.set("public", 'with "quotes"', "trusting");
  map.set("secret", "é", "private");
  const [content] = map.core.newContentSince(undefined) ?? [];
  const [coSession, batch] = Object.entries(content?.new ?? {})[0] ?? [];
  const { secret: keySecret, id: keyId } = map.core.getCurrentReadKey();
  if (!coSession || !batch || !keySecret) throw new Error("nothing was written");
  const agent = node.getCurrentAgent();
  const bytes = (length: number) => Uint8Array.from({ length }, (_, index) => index + 1);
  return {
    coId: map.id as string,
    header: JSON.stringify(map.core.verified.header),
    coSession,
    signer: agent.currentSignerID() as string,
    signerSecret: agent.currentSignerSecret() as string,
    sealer: agent.currentSealerID() as string,
    sealerSecret: agent.currentSealerSecret() as string,
    keyId: keyId as string,
    keySecret: keySecret as string,
    transactions: JSON.stringify(batch.newTransactions),
    signature: batch.lastSignature as string,
    changes: "[]",
    meta: undefined,
    streaming: JSON.stringify({ [coSession]: 3 }),
    encrypted: "encrypted_UAAAA",
    sealed: `sealed_U${"A".repeat(80)}`,
    index: 0,
    size: 100 * 1024,
    time: 1_764_000_000_000,
    no: false,
    bytes: bytes(20),
    bytes32: bytes(32),
    bytes64: bytes(64),
    signerText: new TextEncoder().encode(agent.currentSignerID()),
    signatureText: new TextEncoder().encode(batch.lastSignature),
    signerSecretText: new TextEncoder().encode(agent.currentSignerSecret()),
    sealerSecretText: new TextEncoder().encode(agent.currentSealerSecret()),
  };
}

const junk = fc.constantFrom<unknown>(
  "",
  "\ud800",
  "é".repeat(9),
  "__proto__",
  "co_z",
  "_session_z",
  "[".repeat(5_000),
  "z".repeat(2_000),
  null,
  undefined,
  -1,
  0.5,
  Number.NaN,
  1e300,
  2 ** 32,
  true,
  [],
  {},
);
const edges = fc.constantFrom(0, 1, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 96);

/** Another key or id of the same kind: its prefix, and base58 of some bytes. */
function otherKey(text: string): fc.Arbitrary<string> {
  const prefix = text.slice(0, text.indexOf("_z") + 2);
  const bytes = fc.oneof(
    edges.chain((length) => fc.uint8Array({ minLength: length, maxLength: length })),
    fc.uint8Array({ minLength: 32, maxLength: 32 }),
    fc.tuple(edges, fc.constantFrom(0, 1, 2, 255)).map(([length, byte]) => new Uint8Array(length).fill(byte)),
  );
  return bytes.map((key) => prefix + base58.encode(key));
}

/** The same text with a piece cut out, or replaced by something else. */
function spliced(text: string): fc.Arbitrary<string> {
  const piece = fc.constantFrom("", "0", "é", "\0", " ", "_", "/", "$", "\ud800", '"', "1".repeat(40));
  return fc
    .tuple(fc.nat(text.length), fc.nat(12), piece)
    .map(([from, length, put]) => text.slice(0, from) + put + text.slice(from + length));
}

/** The same JSON with one member, however deep, replaced. */
function mutatedJson(text: string): fc.Arbitrary<string> {
  const by = fc.oneof(fc.jsonValue({ maxDepth: 2 }), junk, fc.constant("encrypted_é"));
  return fc.tuple(fc.array(fc.nat(7), { minLength: 1, maxLength: 4 }), by).map(([path, value]) => {
    const root: unknown = JSON.parse(text);
    let at = root;
    for (const [depth, step] of path.entries()) {
      if (typeof at !== "object" || at === null) break;
      const names = Object.keys(at);
      const name = names[step % Math.max(1, names.length)] ?? "more";
      const member = Reflect.get(at, name);
      if (depth === path.length - 1 || typeof member !== "object") Reflect.set(at, name, value);
      at = member;
    }
    return JSON.stringify(root);
  });
}

function hostile(genuine: unknown): fc.Arbitrary<unknown> {
  if (genuine instanceof Uint8Array) {
    const flipped = fc
      .tuple(fc.nat(genuine.length - 1), fc.nat(255))
      .map(([at, byte]) => genuine.with(at, byte));
    const resized = edges.chain((length) => fc.uint8Array({ minLength: length, maxLength: length }));
    return fc.oneof(flipped, resized, junk);
  }
  if (typeof genuine !== "string") return junk;
  const isJson = genuine.startsWith("{") || genuine.startsWith("[");
  return fc.oneof(spliced(genuine), isJson ? mutatedJson(genuine) : otherKey(genuine), junk);
}

/** Arguments of these kinds, most of them genuine. */
export function argumentsOf(
  kinds: readonly Kind[],
  genuine: ReturnType<typeof genuineArguments>,
): fc.Arbitrary<unknown[]> {
  const each = kinds.map((kind) =>
    fc.oneof(
      { arbitrary: fc.constant<unknown>(genuine[kind]), weight: 3 },
      { arbitrary: hostile(genuine[kind]), weight: 2 },
    ),
  );
  return fc.tuple(...each) as fc.Arbitrary<unknown[]>;
}
