/**
 * An unmodified cojson client of some version, in a process of its own, connected like a browser: cojson-transport-ws
 * with reconnection, WebAssembly, and, if it is asked to, cojson's own storage. What it exports is only for types.
 *
 * Its types are those of the cojson that the tests use. What differs between the versions is written out here.
 */

import { createHash } from "node:crypto";
import { registerHooks } from "node:module";
import type {
  AgentSecret,
  CoID,
  LocalNode,
  Peer,
  RawAccountID,
  RawBinaryCoStream,
  RawCoMap,
  RawCoValue,
} from "cojson";
import { serveOperations } from "../support/remote-operations.ts";

const [version] = process.argv.slice(2);
// Every `import "cojson"` of this process, also in modules that are shared with the tests, means this version's.
const folder = new URL(`./${version}/package.json`, import.meta.url).href;
registerHooks({
  resolve: (specifier, context, next) =>
    /^(cojson|ws)\b/.test(specifier) && !context.parentURL?.includes("/node_modules/")
      ? next(specifier, { ...context, parentURL: folder })
      : next(specifier, context),
});

const warnings: string[] = [];
for (const level of ["warn", "error"] as const)
  console[level] = (...parts) => void warnings.push(String(parts[0]));

const { LocalNode: Node } = await import("cojson");
const { WasmCrypto } = await import("cojson/crypto/WasmCrypto");
const { WebSocketPeerWithReconnection } = await import("cojson-transport-ws");
const { openSqliteStorage } = await import("../support/sqlite-storage.ts");
const { watchSockets } = await import("../support/watched-sockets.ts");

const CHUNK_BYTES = 100_000;

export interface OpenOptions {
  /** Path of an SQLite database for cojson's own storage; without it the client has what is in memory. */
  readonly storage?: string | undefined;
  readonly account?: { readonly accountID: RawAccountID; readonly accountSecret: AgentSecret } | undefined;
}

/** A file, whole. */
export interface StoredFile {
  readonly id: string;
  readonly transactions: number;
  readonly hash: string;
}

interface Open {
  readonly node: LocalNode;
  readonly connection: InstanceType<typeof WebSocketPeerWithReconnection>;
}
let open: Open | undefined;
const closeCodes: number[] = [];
const sockets = watchSockets(({ code }) => closeCodes.push(code));

function me(): Open {
  if (!open) throw new Error("open first");
  return open;
}

async function load<T extends RawCoValue = RawCoMap>(id: string): Promise<T> {
  const value = await me().node.load(id as CoID<T>);
  if (value === "unavailable") throw new Error(`${id} is unavailable`);
  return value;
}

/** How many transactions of a value are here, whether it is complete or not. */
function transactionsOf(id: string): number {
  const { sessions } = me()
    .node.getCoValue(id as never)
    .knownState();
  return Object.values(sessions).reduce((sum, count) => sum + count, 0);
}

const operations = {
  /** Connects with a new account, or one that was made before, as after a reload of the page. */
  async open(syncUrl: string, { storage, account }: OpenOptions) {
    const peers: Peer[] = [];
    let node: LocalNode | undefined;
    const connection = new WebSocketPeerWithReconnection({
      peer: syncUrl,
      reconnectionTimeout: 100,
      addPeer: (peer) => (node ? node.syncManager.addPeer(peer) : peers.push(peer)),
      removePeer: () => undefined,
      WebSocketConstructor: sockets.Socket as never,
    });
    connection.enable();
    const options = {
      crypto: await WasmCrypto.create(),
      peers,
      // What `peers` was called before 0.18.
      ...{ peersToLoadFrom: peers },
      ...(storage && { storage: openSqliteStorage({ sqlite: storage }).storage }),
    };
    const creationProps = { name: `cojson ${version}` };
    const opened = account
      ? { ...account, node: await Node.withLoadedAccount({ ...options, ...account, sessionID: undefined }) }
      : await Node.withNewlyCreatedAccount({ ...options, creationProps });
    node = opened.node;
    open = { node, connection };
    for (const peer of peers)
      if (!Object.hasOwn(node.syncManager.peers, peer.id)) node.syncManager.addPeer(peer);
    return { accountID: opened.accountID, accountSecret: opened.accountSecret };
  },
  /** A map in a group of its own that everybody may write to. */
  async createMap(text: string) {
    const group = me().node.createGroup();
    group.addMember("everyone", "writer");
    const map = group.createMap({ text });
    await operations.synced();
    return { group: group.id as string, map: map.id as string };
  },
  async set(id: string, key: string, value: string) {
    (await load(id)).set(key, value, "trusting");
  },
  async get(id: string, key: string) {
    return (await load(id)).get(key);
  },
  /** A file of `chunks` times 100 kB in a group of its own. */
  async createFile(chunks: number): Promise<StoredFile> {
    const group = me().node.createGroup();
    group.addMember("everyone", "reader");
    const stream = group.createBinaryStream();
    stream.startBinaryStream({ mimeType: "application/octet-stream", totalSizeBytes: chunks * CHUNK_BYTES });
    for (let n = 0; n < chunks; n++) stream.pushBinaryStreamChunk(new Uint8Array(CHUNK_BYTES).fill(n));
    stream.endBinaryStream();
    await operations.synced();
    return {
      id: stream.id,
      transactions: transactionsOf(stream.id),
      hash: await operations.hashOf(stream.id),
    };
  },
  /** Begins to load. */
  beginLoading(id: string) {
    void me().node.load(id as CoID<RawCoValue>);
  },
  transactionsOf,
  /** The hash of a file, or what is missing. */
  async hashOf(id: string) {
    const file = (await load<RawBinaryCoStream>(id)).getBinaryChunks(true);
    if (!file?.finished) return `${file?.chunks.length ?? 0} chunks`;
    const hash = createHash("sha256");
    for (const chunk of file.chunks) hash.update(chunk);
    return hash.digest("hex");
  },
  /** Cuts its connection once it has so many transactions of a value. @returns how many it had then. */
  async disconnectAt(id: string, transactions: number) {
    while (transactionsOf(id) < transactions) await new Promise((next) => setImmediate(next));
    sockets.letGo();
    me().connection.disable();
    return transactionsOf(id);
  },
  connect() {
    me().connection.enable();
  },
  async synced() {
    await me().node.syncManager.waitForAllCoValuesSync();
  },
  /** With which codes its sockets were closed, other than by itself. */
  closeCodes: () => closeCodes,
  /** What it has written to its console. */
  warnings: () => warnings,
} as const;

/** As seen from another process. */
export type Operations = {
  readonly [Name in keyof typeof operations]: (
    ...args: Parameters<(typeof operations)[Name]>
  ) => Promise<Awaited<ReturnType<(typeof operations)[Name]>>>;
};

serveOperations(operations);
