import { WebSocket } from "ws";
import { isMarkId } from "../../edge/marks.ts";

/** Which marks a client answers: as cojson since 0.20.10, or as its older versions. */
export type Answers = "reconcile" | "content";

/** A bare client that can leave its socket unread, and answers marks as cojson clients do, or keeps its answers back. */
export interface SlowReader {
  load(id: string): void;
  /** Reads nothing from the socket any more: what comes stays with TCP and the sender. */
  pause(): void;
  /** Reads again; marks are answered only from `answerMarks` on. */
  resume(): void;
  answerMarks(): void;
  /** Characters of content that came. */
  contentChars(): number;
  /** How many transactions came, if they came in order and without a gap; throws otherwise. */
  transactions(): number;
  /** When the edge sent the ping that was read last (ms since 1970): what was sent before has been read as well. */
  pingedAt(): number;
  closed(): boolean;
  close(): void;
}

interface Message {
  readonly action?: string;
  readonly type?: string;
  readonly id: string;
  readonly time?: number;
  readonly new?: Record<string, { after: number; newTransactions: unknown[] }>;
}

/** Follows one value of one writer. */
export async function openSlowReader(url: string, marks: Answers = "reconcile"): Promise<SlowReader> {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  const unanswered: string[] = [];
  let [chars, transactions, pingedAt] = [0, 0, 0];
  let [answers, closed] = [true, false];
  let followed: string | undefined;
  let gap: string | undefined;

  const answerMarks = () => {
    answers = true;
    for (const id of unanswered.splice(0)) socket.send(JSON.stringify(answerOf(marks, id)));
  };
  socket.on("message", (data) => {
    for (const line of String(data).split("\n")) {
      const message = JSON.parse(line) as Message;
      if (message.type === "ping") pingedAt = message.time ?? 0;
      const isMark = message.action === "reconcile" || (message.action === "content" && isMarkId(message.id));
      if (isMark && message.action === marks) unanswered.push(message.id);
      if (isMark || message.action !== "content") continue;
      chars += line.length;
      if (message.id !== followed) continue;
      for (const { after, newTransactions } of Object.values(message.new ?? {})) {
        if (after > transactions) gap ??= `after ${transactions} transactions came number ${after}`;
        transactions = Math.max(transactions, after + newTransactions.length);
      }
    }
    if (answers) answerMarks();
  });
  socket.on("close", () => {
    closed = true;
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("open", () => resolve());
    socket.once("error", reject);
  });
  return {
    load(id) {
      followed = id;
      socket.send(JSON.stringify({ action: "load", id, header: false, sessions: {} }));
    },
    pause() {
      answers = false;
      socket.pause();
    },
    resume: () => socket.resume(),
    answerMarks,
    contentChars: () => chars,
    transactions() {
      if (gap) throw new Error(gap);
      return transactions;
    },
    pingedAt: () => pingedAt,
    closed: () => closed,
    close: () => socket.close(),
  };
}

function answerOf(marks: Answers, id: string): object {
  return marks === "reconcile"
    ? { action: "reconcile-ack", id }
    : { action: "known", isCorrection: true, id, header: false, sessions: {} };
}
