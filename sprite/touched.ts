import type { StorageAPI } from "cojson";
import { type DigestRecord, forgetRecord, joinRecords, recordOf } from "../shared/digest.ts";
import type { KnownState } from "../shared/known-state.ts";

/** cojson marks the coSessions that delete a CoValue with this end (0.20.19, `isDeleteSessionID`). */
const DELETES = "$";

/**
 * The CoValues that this process has looked at or written, and what the disk has of them: what its digest will tell.
 *
 * 1. Nothing changes on the disk but through calls that are seen here, and repairs, of which the store's mark tells. So
 *    what was not touched is as it was when the process began.
 * 2. A value's record is made from its durable state only, and as late as possible: when the node drops the value, or when
 *    the Sprite falls asleep.
 * 3. A value of which nothing sure can be said (not found, deleted) is told as such: older digests no longer count for it.
 */
export class Touched {
  readonly #limit: number;
  /** `undefined`: the record is made when it is asked for. */
  readonly #records = new Map<string, DigestRecord | undefined>();
  #storage: StorageAPI | undefined;
  #complete = true;
  #loading = 0;

  /** @param limit how many CoValues are kept account of. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether every CoValue that was touched is among {@link records}. */
  get complete(): boolean {
    return this.#complete;
  }

  /** Loads from the disk that are under way. */
  get loading(): number {
    return this.#loading;
  }

  /** `storage`, seen from now on. Give the node this one, not the original. */
  follow(storage: StorageAPI): StorageAPI {
    this.#storage = storage;
    const load: StorageAPI["load"] = (id, callback, done) => {
      this.#touch(id);
      this.#loading++;
      // What it depends on comes along.
      const found: typeof callback = (content) => {
        this.#touch(content.id);
        callback(content);
      };
      const finish: typeof done = (isThere) => {
        this.#loading--;
        done?.(isThere);
      };
      return storage.load(id, found, finish);
    };
    const loadKnownState: StorageAPI["loadKnownState"] = (id, callback) => {
      this.#touch(id);
      this.#loading++;
      storage.loadKnownState(id, (state) => {
        this.#loading--;
        callback(state);
      });
    };
    const store: StorageAPI["store"] = (content, ...rest) => {
      this.#touch(content.id);
      return storage.store(content, ...rest);
    };
    const onCoValueUnmounted: StorageAPI["onCoValueUnmounted"] = (id) => {
      if (this.#records.has(id)) this.#records.set(id, this.#recordOf(id));
      storage.onCoValueUnmounted(id);
    };
    const seen = { load, loadKnownState, store, onCoValueUnmounted };
    return new Proxy(storage, {
      get(target, name) {
        if (Object.hasOwn(seen, name)) return seen[name as keyof typeof seen];
        const member: unknown = Reflect.get(target, name);
        // Bound, because private members of a class do not work through a proxy.
        return typeof member === "function" ? member.bind(target) : member;
      },
    });
  }

  /** What a digest of this moment says, provided that no store or load is under way. */
  records(): string {
    const records: DigestRecord[] = [];
    for (const [id, record] of this.#records) records.push(record ?? this.#recordOf(id));
    return joinRecords(records);
  }

  #touch(id: string): void {
    if (this.#records.size < this.#limit || this.#records.has(id)) this.#records.set(id, undefined);
    else this.#complete = false;
  }

  #recordOf(id: string): DigestRecord {
    const state: KnownState | undefined = this.#storage?.getKnownState(id);
    const sure =
      state?.header && !Object.keys(state.sessions).some((coSession) => coSession.endsWith(DELETES));
    return sure ? recordOf(id, state) : forgetRecord(id);
  }
}
