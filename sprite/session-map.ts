import type { CryptoProvider } from "cojson";
import { isKeySecret, isSignatureShape } from "../shared/agent-keys.ts";
import { KeyCheck } from "./key-check.ts";

type SessionMap = ReturnType<CryptoProvider["createSessionMap"]>;
type CreateSessionMap = CryptoProvider["createSessionMap"];
type Arguments<Name extends keyof SessionMap> = Parameters<SessionMap[Name]>;

/**
 * A cojson session map (all coSessions of one CoValue) whose `addTransactions` does all or nothing.
 *
 * cojson 0.20.19's own advances a coSession's running hash even when it rejects the batch, so that one forged append
 * makes every later genuine transaction of that coSession fail (design §7). This one throws a map away that rejected
 * something and replays what it had accepted into a new one. That costs time in proportion to the CoValue's size, so
 * whoever hands over messages must bound how many rejections one peer may cause.
 *
 * 1. `map` never has seen a batch that it rejected.
 * 2. No signer, signature or read key reaches it that does not decode: it ends the process for such a signer
 *    ({@link KeyCheck}), and decodes base58 of any length in time that grows with its square. This is the last fence: what
 *    comes from the disk, a backup, an import or another server has passed no other.
 */
class AtomicSessionMap implements SessionMap {
  private readonly create: () => SessionMap;
  private readonly keys: KeyCheck;
  private map: SessionMap;
  /** Who signs each coSession; cojson forgets it, and a replay has to verify, because only that moves the hash. */
  private readonly signers = new Map<string, string | undefined>();
  private streaming: string | undefined;

  constructor(create: () => SessionMap, keys: KeyCheck) {
    this.create = create;
    this.keys = keys;
    this.map = create();
  }

  addTransactions(...batch: Arguments<"addTransactions">): void {
    const [coSession, signer, , signature, skipVerify] = batch;
    if (signer !== undefined && !this.keys.isSigner(signer)) throw new Error("the signer is not a key");
    if (!isSignatureShape(signature)) throw new Error("the signature is none");
    try {
      this.map.addTransactions(...batch);
    } catch (error) {
      this.map = this.replayed();
      throw error;
    }
    this.signers.set(coSession, skipVerify ? undefined : signer);
  }

  private replayed(): SessionMap {
    const target = this.create();
    for (const coSession of this.map.getSessionIds()) this.replaySession(target, coSession);
    if (this.streaming !== undefined) target.setStreamingKnownState(this.streaming);
    if (this.map.isDeleted()) target.markAsDeleted();
    return target;
  }

  /** Replays batch by batch as signed: the signatures in between are needed to serve parts of a long coSession. */
  private replaySession(target: SessionMap, coSession: string): void {
    const transactions = this.map.getSessionTransactions(coSession, 0) ?? [];
    const signer = this.signers.get(coSession);
    const last = transactions.length - 1;
    let from = 0;
    for (let index = 0; index <= last; index++) {
      const signature =
        index === last ? this.map.getLastSignature(coSession) : this.map.getSignatureAfter(coSession, index);
      if (!signature) continue;
      const batch = JSON.stringify(transactions.slice(from, index + 1));
      target.addTransactions(coSession, signer, batch, signature, signer === undefined);
      from = index + 1;
    }
  }

  makeNewPrivateTransaction(...args: Arguments<"makeNewPrivateTransaction">): string {
    return this.map.makeNewPrivateTransaction(...args);
  }
  makeNewTrustingTransaction(...args: Arguments<"makeNewTrustingTransaction">): string {
    return this.map.makeNewTrustingTransaction(...args);
  }
  setStreamingKnownState(json: string): void {
    this.streaming = json;
    this.map.setStreamingKnownState(json);
  }
  markAsDeleted(): void {
    this.map.markAsDeleted();
  }

  getHeader() {
    return this.map.getHeader();
  }
  getSessionIds() {
    return this.map.getSessionIds();
  }
  getTransactionCount(coSession: string) {
    return this.map.getTransactionCount(coSession);
  }
  getTransaction(coSession: string, index: number) {
    return this.map.getTransaction(coSession, index);
  }
  getSessionTransactions(coSession: string, from: number) {
    return this.map.getSessionTransactions(coSession, from);
  }
  getLastSignature(coSession: string) {
    return this.map.getLastSignature(coSession);
  }
  getSignatureAfter(coSession: string, index: number) {
    return this.map.getSignatureAfter(coSession, index);
  }
  getLastSignatureCheckpoint(coSession: string) {
    return this.map.getLastSignatureCheckpoint(coSession);
  }
  getKnownState() {
    return this.map.getKnownState();
  }
  getKnownStateWithStreaming() {
    return this.map.getKnownStateWithStreaming();
  }
  isStreaming() {
    return this.map.isStreaming();
  }
  isDeleted() {
    return this.map.isDeleted();
  }
  // The read key may be what a member has written into a group as `key_z…_for_everyone`: any JSON.
  decryptTransaction(...args: Arguments<"decryptTransaction">) {
    return isKeySecret(args[2]) ? this.map.decryptTransaction(...args) : undefined;
  }
  decryptTransactionMeta(...args: Arguments<"decryptTransactionMeta">) {
    return isKeySecret(args[2]) ? this.map.decryptTransactionMeta(...args) : undefined;
  }
}

/**
 * Makes every CoValue of a node with this `crypto` keep its state when it rejects a batch, and the crypto take only keys
 * that are some. Changes `crypto`.
 */
export function withAtomicSessionMaps<Crypto extends CryptoProvider>(
  crypto: Crypto,
  keys: KeyCheck = new KeyCheck(crypto),
): Crypto {
  const create: CreateSessionMap = crypto.createSessionMap.bind(crypto);
  const createAtomic: CreateSessionMap = (...args) => new AtomicSessionMap(() => create(...args), keys);
  return Object.assign(crypto, { createSessionMap: createAtomic });
}
