import type Corestore from "corestore";
import type Hypercore from "hypercore";
import type { Atom } from "hypercore-storage";
import { type JournalChange, writeRows } from "./journal-change.ts";
import { rememberBitfield, rememberDependency } from "./remembered-reads.ts";

/** An atom with its session of the log. Used again for each append: a fresh one costs half as much again. */
interface Writer {
  readonly atom: Atom;
  readonly session: Hypercore;
  /** Called by the atom as soon as RocksDB has its batch. */
  written: () => void;
}

/**
 * Appends to the log, together with rows, in one RocksDB batch: Hypercore's atom. Invariants:
 * 1. `append` resolves as soon as RocksDB has the batch. Hypercore then still reads a record to bring its memory up to
 *    date: the append settles. Nothing else is appended before it has.
 * 2. `length` counts what is on disk, also while Hypercore does not know of it yet.
 * 3. A batch that is on disk and that Hypercore failed to take over is written once more, in the same places, before
 *    anything else is: Hypercore would put the next blocks over it.
 */
export class LogWriter {
  readonly #store: Corestore;
  readonly #log: Hypercore;
  #length: number;
  /** Absent before the first append and after a failed one. */
  #writer: Writer | undefined;
  #unsettled: { readonly change: JournalChange; readonly settling: Promise<void> } | undefined;

  constructor(store: Corestore, log: Hypercore) {
    this.#store = store;
    this.#log = log;
    this.#length = log.length;
  }

  /** Blocks on disk. */
  get length(): number {
    return this.#length;
  }

  /** Reads the log's tree. @throws when it lacks nodes, so that it would take no writes. */
  async open(): Promise<void> {
    await rememberDependency(this.#log);
    await this.#open();
  }

  /** Writes all of `change` or nothing. @throws RocksDB's error; the change may then be there or not. */
  async append(change: JournalChange): Promise<void> {
    await this.settle();
    await this.#write(change);
  }

  /** Resolves when Hypercore knows of all that is on disk, so that others may write to the log. */
  async settle(): Promise<void> {
    const last = this.#unsettled;
    if (last === undefined) return;
    try {
      await last.settling;
    } catch {
      // What counts is what Hypercore knows now; a broken disk shows itself again.
      await this.#closeWriter();
    }
    if (this.#log.length < this.#length) await this.#write(last.change);
    else this.#unsettled = undefined;
  }

  async close(): Promise<void> {
    await this.#unsettled?.settling.catch(() => undefined);
    await this.#closeWriter();
  }

  async #write(change: JournalChange): Promise<void> {
    try {
      const writer = this.#writer ?? (await this.#open());
      await writer.session.append([...change.blocks]);
      await writeRows(writer.session, change);
      await this.#flush(writer, change);
    } catch (error) {
      // The atom is now ahead of the log: a new one starts from what is really there.
      await this.#closeWriter();
      throw error;
    }
  }

  #flush(writer: Writer, change: JournalChange): Promise<void> {
    const { hints } = this.#log.core.header;
    const before = this.#log.length;
    const length = before + change.blocks.length;
    const whole = hints.contiguousLength === before;
    return new Promise((resolve, reject) => {
      writer.written = () => {
        // The batch held this hint (hypercore 11.37, `append` in lib/session-state.js). Told so, Hypercore does not
        // write it a second time, in a batch of its own.
        if (whole) hints.contiguousLength = length;
        this.#length = length;
        this.#unsettled = { change, settling };
        resolve();
      };
      const settling = writer.atom.flush();
      settling.catch(reject);
    });
  }

  async #open(): Promise<Writer> {
    const atom = this.#store.storage.createAtom();
    // Before the session, whose own callback must find the hint up to date.
    atom.onflush(() => writer.written());
    const session = this.#log.session({ atom });
    const writer: Writer = { atom, session, written: () => {} };
    await session.ready();
    rememberBitfield(this.#log, session);
    this.#writer = writer;
    return writer;
  }

  async #closeWriter(): Promise<void> {
    const session = this.#writer?.session;
    this.#writer = undefined;
    // A session that failed to open or to write may fail to close as well; the next one does not depend on it.
    await session?.close().catch(() => undefined);
  }
}
