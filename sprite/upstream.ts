import { cojsonInternals, type Peer, type PeerState, type SyncMessage } from "cojson";
import type { WebSocket } from "ws";
import { idIn } from "../shared/answers.ts";
import { BadMessages } from "../shared/bad-messages.ts";
import { errorMessage, pingMessage } from "../shared/control.ts";
import { ERROR_TABLE, SpriteSyncError, toSpriteSyncError } from "../shared/errors.ts";
import { splitFrame } from "../shared/frames.ts";
import { isCoValueId, parseCoValueId } from "../shared/ids.ts";
import type { Log } from "../shared/log.ts";
import { type Message, parseMessage } from "../shared/messages.ts";
import { AckGate } from "./ack.ts";
import { Activity } from "./activity.ts";
import { Admission } from "./admission.ts";
import { UpstreamCatchUp } from "./catch-ups.ts";
import type { ValueMessage } from "./dropped-messages.ts";
import type { Home } from "./home.ts";
import { MemoryShare } from "./memory-share.ts";
import { Outgoing } from "./outgoing.ts";

/** Ping intervals without a protocol pong after which the edge on the other side counts as dead. */
const MISSED_PONGS = 3;
/** A close reason has 123 bytes at most (RFC 6455 §5.5); ours are ASCII. */
const REASON_CHARS = 120;
/**
 * Rejected batches that one upstream may cause before the node stops listening to it about the CoValue: each costs a
 * replay of that CoValue.
 */
const REJECTIONS = 16;

export interface UpstreamDeps {
  readonly socket: WebSocket;
  /** Unique among the upstreams of this process. */
  readonly id: string;
  readonly home: Home;
  /** Names the upstream and its session in each line. */
  readonly log: Log;
  /** A message came that keeps the Sprite awake, see {@link Activity}. */
  readonly onActivity: () => void;
  /** The socket is gone; after an orderly close that means that the other side has read everything. */
  readonly onClosed: (upstream: Upstream) => void;
}

/**
 * One socket as one peer of the node.
 *
 * In: frame → messages → admission → node. A bad message is answered and the next one is fine; a bad frame ends this
 * socket only. Out: node → ack gate → outgoing queue → frames.
 * It is not cojson-transport-ws's peer, which a frame that is a JSON primitive leaves deaf (design §7).
 */
export class Upstream {
  readonly id: string;
  private readonly deps: UpstreamDeps;
  private readonly incoming = new cojsonInternals.ConnectedPeerChannel();
  private readonly outgoing: Outgoing;
  private readonly gate: AckGate;
  private readonly bad = new BadMessages();
  private readonly admission: Admission;
  private readonly memory: MemoryShare;
  private readonly peer: PeerState;
  private readonly stopListening: () => void;
  private readonly activity = new Activity();
  private readonly catchUp: UpstreamCatchUp | undefined;
  private closed = false;
  private deaf = false;
  private unanswered = 0;
  private rejections = 0;

  constructor(deps: UpstreamDeps) {
    const { socket, id, home } = deps;
    this.deps = deps;
    this.id = id;
    this.outgoing = new Outgoing(socket);
    this.gate = new AckGate(home.ledger, (message) => this.outgoing.push(message));
    this.catchUp =
      home.catchUps &&
      new UpstreamCatchUp(id, home.catchUps, {
        pass: (message) => this.gate.push(message),
        deliver: (message) => this.incoming.push(message),
        isIdle: () => this.admission.isIdle,
      });
    this.memory = new MemoryShare(home.memory);
    this.peer = this.addPeer(home);
    this.admission = new Admission({
      home,
      peer: () => this.peer,
      deliver: (message) => this.incoming.push(message),
      reply: (text) => this.sendText(text),
      onNew: (covalue) => this.catchUp?.created(covalue),
      onIdle: () => this.catchUp?.checkEnd(),
      refuse: (error, refused) => this.refuse(error, refused),
    });
    this.stopListening = home.dropped.listen(id, (message) => this.nodeDropped(message));
    socket.on("message", (data, isBinary) => this.receive(isBinary ? data : data.toString()));
    socket.on("pong", () => {
      this.unanswered = 0;
    });
    // "close" follows every error; without a listener a reset connection would end the process.
    socket.on("error", (error) => deps.log.debug({ error: error.message }, "upstream failed"));
    socket.on("close", () => {
      this.detach();
      deps.onClosed(this);
    });
  }

  /** Whether nothing waits on either way. */
  get isQuiet(): boolean {
    return this.admission.isIdle && this.outgoing.isDrained && !this.catchUp?.holdsSomething;
  }

  /** Sends a text at once, before messages that wait. */
  sendText(text: string): void {
    this.outgoing.pushText(text);
  }

  /** Sends a text as a frame of its own, behind everything that is ready to go. */
  sendAlone(text: string): void {
    this.outgoing.flushAll();
    this.outgoing.pushText(text);
    this.outgoing.flushAll();
  }

  /** Takes no more messages. What the edge sends now is not answered, and comes again on its next upstream. */
  deafen(): void {
    this.deaf = true;
  }

  /** Proof of life for the browsers behind the edge, and a check that the edge is there. */
  ping(now: number): void {
    const { socket } = this.deps;
    if (socket.readyState !== socket.OPEN) return;
    if (this.unanswered++ >= MISSED_PONGS) {
      socket.terminate();
      return;
    }
    this.outgoing.pushText(pingMessage(now, "sprite"));
    socket.ping();
  }

  /** Says goodbye after everything that is ready to go. Messages that arrive from now on are dropped. */
  close(code: number, reason: string): void {
    if (this.closed) return;
    this.outgoing.flushAll();
    this.deps.socket.close(code, reason);
    this.detach();
  }

  terminate(): void {
    this.deps.socket.terminate();
  }

  private addPeer(home: Home): PeerState {
    const { syncManager } = home.node;
    const peer: Peer = {
      id: this.id,
      role: "client",
      persistent: false,
      incoming: this.incoming,
      outgoing: {
        push: (message) => this.push(message),
        close: () => {},
        onClose: () => {},
      },
    };
    syncManager.addPeer(peer);
    const state = syncManager.peers[this.id];
    if (!state) throw new Error(`the node took no peer ${this.id}`);
    return state;
  }

  /** From the node. */
  private push(message: SyncMessage | "Disconnected"): void {
    if (this.closed || message === "Disconnected") return;
    // Every content that the node has handled is answered with a `known`, so a rejection shows here.
    if (message.action === "known") this.reportRejection(message.id);
    if (!this.catchUp?.takes(message)) this.gate.push(message);
  }

  private reportRejection(id: string): void {
    const { node } = this.deps.home;
    if (!isCoValueId(id)) return;
    const core = node.getCoValue(id as string as `co_z${string}`);
    const isErrored = core.isErroredInPeer(this.id);
    this.admission.answered(id, !isErrored);
    if (!isErrored) return;
    this.refuse(
      new SpriteSyncError("bad-message", "the content was rejected: wrong signature, or not allowed"),
      id,
    );
    // cojson would ignore everything else that this peer says about the CoValue.
    if (++this.rejections <= REJECTIONS) core.markFoundInPeer(this.id, core.loadingState);
  }

  /** The node has taken a message, and will not answer it. */
  private nodeDropped({ action, id }: ValueMessage): void {
    if (this.closed || !isCoValueId(id)) return;
    if (action === "content") this.admission.contentDropped(id);
    this.refuse(new SpriteSyncError("bad-message", `cojson does not take this \`${action}\``), id);
  }

  /** From the socket. */
  private receive(frame: unknown): void {
    if (this.closed) return;
    if (this.deaf) {
      this.deps.log.info({}, "a frame came too late; it is repaired by the edge");
      return;
    }
    let texts: string[];
    try {
      texts = splitFrame(frame);
    } catch (error) {
      const { code, message } = toSpriteSyncError(error, "bad-frame");
      this.deps.log.warn({ code }, "bad frame");
      this.close(ERROR_TABLE[code].closeCode, message.slice(0, REASON_CHARS));
      return;
    }
    this.bad.frame();
    for (const text of texts) {
      if (this.closed) return;
      this.receiveMessage(text);
    }
  }

  private receiveMessage(text: string): void {
    const message = this.read(text);
    if (!message) return;
    try {
      if (message.action === "control") this.catchUp?.receive(message.text);
      else {
        if (this.activity.counts(message)) this.deps.onActivity();
        if (!this.memory.take(message, (id) => this.peer.getKnownState(id as `co_z${string}`)))
          throw tooMuchRemembered();
        this.admission.receive(message);
      }
    } catch (error) {
      this.refuse(toSpriteSyncError(error, "bad-message"), idIn(text));
    }
  }

  private read(text: string): Message | undefined {
    try {
      return parseMessage(text);
    } catch (error) {
      this.unreadable(error, text);
      return undefined;
    }
  }

  private unreadable(error: unknown, text: string): void {
    const { code, message } = toSpriteSyncError(error, "bad-message");
    try {
      const answer = this.bad.answer(error, text);
      if (answer) this.sendText(answer);
      this.deps.log.warn({ code, covalue: parseCoValueId(idIn(text)) }, message);
    } catch (last) {
      const { code, message } = toSpriteSyncError(last, "bad-frame");
      this.deps.log.warn({ code }, message);
      this.close(ERROR_TABLE[code].closeCode, message.slice(0, REASON_CHARS));
    }
  }

  private refuse(error: SpriteSyncError, id: string | undefined): void {
    this.deps.log.warn({ code: error.code, covalue: parseCoValueId(id) }, error.message);
    this.sendText(errorMessage(error, id));
  }

  /** Takes the peer from the node. */
  private detach(): void {
    if (this.closed) return;
    this.closed = true;
    this.stopListening();
    this.catchUp?.close();
    this.admission.close();
    this.memory.close();
    this.gate.close();
    // The peer state goes with the peer: cojson forgets what this client follows.
    this.incoming.push("Disconnected");
  }
}

function tooMuchRemembered(): SpriteSyncError {
  const reason = "this connection follows too much; connect anew, and follow less at a time";
  return new SpriteSyncError("overloaded", reason);
}
