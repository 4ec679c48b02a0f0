import { LocalNode, type RawCoMap } from "cojson";
import { NapiCrypto } from "cojson/crypto/NapiCrypto";
import { WasmCrypto } from "cojson/crypto/WasmCrypto";
import { describe, expect, test } from "vitest";
import { withAtomicSessionMaps } from "../../sprite/session-map.ts";

type Provider = NapiCrypto | WasmCrypto;

/** A map with enough in it for signatures in between, and the batches it was written in. */
function writtenMap(crypto: Provider) {
  const { node } = LocalNode.internalCreateAccount({ crypto }).core;
  const map: RawCoMap = node.createGroup().createMap();
  for (let i = 0; i < 5; i++) map.set(`key${i}`, "x".repeat(60_000), "trusting");
  const [batch] = map.core.newContentSince(undefined) ?? [];
  const coSession = Object.keys(batch?.new ?? {})[0] ?? "";
  const signer = crypto.getAgentSignerID(node.getCurrentAgent().currentAgentID());
  return { map, coSession, signer, header: JSON.stringify(map.core.verified.header) };
}

function batchesSince(map: RawCoMap, count: number, coSession: string) {
  const content = map.core.newContentSince({
    id: map.id,
    header: true,
    sessions: { [coSession]: count },
  } as never);
  return (content ?? []).flatMap((message) => Object.values(message.new));
}

describe.each([
  ["native", async () => (await NapiCrypto.create()) as Provider],
  ["WebAssembly", async () => WasmCrypto.createSync() as Provider],
])("A session map on %s crypto", (_, createCrypto) => {
  async function filled() {
    const crypto = withAtomicSessionMaps(await createCrypto());
    const { map, coSession, signer, header } = writtenMap(crypto);
    const sessions = crypto.createSessionMap(map.id, header, 100 * 1024);
    for (const { newTransactions, lastSignature } of batchesSince(map, 0, coSession)) {
      sessions.addTransactions(coSession, signer, JSON.stringify(newTransactions), lastSignature, false);
    }
    const forge = () =>
      sessions.addTransactions(
        coSession,
        signer,
        JSON.stringify([{ privacy: "trusting", madeAt: Date.now(), changes: "[]" }]),
        sessions.getLastSignature(coSession) ?? "",
        false,
      );
    const addNext = () => {
      map.set("next", "genuine", "trusting");
      const [next] = batchesSince(map, 5, coSession);
      if (!next) throw new Error("nothing was written");
      sessions.addTransactions(
        coSession,
        signer,
        JSON.stringify(next.newTransactions),
        next.lastSignature,
        false,
      );
    };
    return { sessions, coSession, forge, addNext };
  }

  test("takes the author's next batch after it rejected a forged one", async () => {
    const { sessions, coSession, forge, addNext } = await filled();
    expect(forge).toThrow();
    expect(forge).toThrow();
    addNext();
    expect(sessions.getTransactionCount(coSession)).toBe(6);
  });

  test("keeps its transactions and the signatures in between when it rejects a batch", async () => {
    const { sessions, coSession, forge } = await filled();
    const read = () => ({
      transactions: sessions.getSessionTransactions(coSession, 0),
      signatures: [0, 1, 2, 3, 4].map((index) => sessions.getSignatureAfter(coSession, index) ?? null),
      last: sessions.getLastSignature(coSession),
      checkpoint: sessions.getLastSignatureCheckpoint(coSession),
      known: sessions.getKnownState(),
    });
    const before = read();
    expect(before.signatures.filter(Boolean)).toHaveLength(2);
    expect(forge).toThrow();
    expect(read()).toEqual(before);
  });

  test("stays deleted, and keeps what it expects to be streamed, when it rejects a batch", async () => {
    const { sessions, coSession, forge } = await filled();
    sessions.setStreamingKnownState(JSON.stringify({ [coSession]: 9 }));
    expect(forge).toThrow();
    expect(sessions.isStreaming()).toBe(true);
    expect(sessions.getKnownStateWithStreaming()?.sessions).toEqual({ [coSession]: 9 });
    sessions.markAsDeleted();
    expect(forge).toThrow();
    expect(sessions.isDeleted()).toBe(true);
  });
});
