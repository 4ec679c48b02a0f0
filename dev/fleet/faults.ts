/** A call of the API, as faults and observers see it. */
export interface ApiCall {
  /** The OpenAPI document's `operationId`: "Machines_create", "Volumes_list", … */
  readonly operation: string;
  readonly method: string;
  /** Path below `/v1`, with ids. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly machineId: string | undefined;
  /** The parsed body, or `undefined` when there was none. */
  readonly body: unknown;
}

export interface Answer {
  readonly status: number;
  /** An object is sent as JSON, a string as it is (as HTML, when it looks so), `undefined` as an empty body. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What goes wrong with a call. */
export type ApiFault =
  /** It is refused and nothing happens. */
  | { readonly kind: "answer"; readonly answer: Answer }
  /** It is done, and the client is told this instead. */
  | { readonly kind: "do-but-answer"; readonly answer: Answer }
  /** Nothing happens and no answer ever comes. */
  | { readonly kind: "hang" }
  /** It is done and no answer ever comes. */
  | { readonly kind: "do-but-hang" }
  /** It is done when the promise resolves. */
  | { readonly kind: "hold"; readonly until: Promise<unknown> };

/** What goes wrong with a Machine's boot. */
export type BootFault =
  /** It stays `starting` until the promise resolves. */
  | { readonly kind: "hold"; readonly until: Promise<unknown> }
  /** It ends as `failed`. */
  | { readonly kind: "fail" };

export interface FaultOptions<T> {
  /** How often; for ever when it is left out. */
  readonly times?: number;
  /** Only for these; for all when it is left out. */
  readonly when?: (subject: T) => boolean;
}

/** A fault that was put in. */
export interface FaultHandle {
  /** How often it has struck. */
  readonly hits: number;
  remove(): void;
}

/** Faults of the local host, put in by tests. The first one that fits a call strikes. */
export interface Faults {
  api(operation: string, fault: ApiFault, options?: FaultOptions<ApiCall>): FaultHandle;
  boot(fault: BootFault, options?: FaultOptions<{ readonly name: string }>): FaultHandle;
  clear(): void;
}

/** The host's side of {@link Faults}. */
export interface FaultBox extends Faults {
  takeApi(call: ApiCall): ApiFault | undefined;
  takeBoot(machine: { readonly name: string }): BootFault | undefined;
}

interface Entry<T, F> {
  readonly fault: F;
  readonly fits: (subject: T) => boolean;
  readonly times: number;
  hits: number;
}

export function createFaults(): FaultBox {
  const api = new Set<Entry<ApiCall, ApiFault>>();
  const boot = new Set<Entry<{ readonly name: string }, BootFault>>();
  return {
    api: (operation, fault, { times = Number.POSITIVE_INFINITY, when = () => true } = {}) =>
      add(api, { fault, times, hits: 0, fits: (call) => call.operation === operation && when(call) }),
    boot: (fault, { times = Number.POSITIVE_INFINITY, when = () => true } = {}) =>
      add(boot, { fault, times, hits: 0, fits: when }),
    clear() {
      api.clear();
      boot.clear();
    },
    takeApi: (call) => take(api, call),
    takeBoot: (machine) => take(boot, machine),
  };
}

function add<T, F>(entries: Set<Entry<T, F>>, entry: Entry<T, F>): FaultHandle {
  entries.add(entry);
  return {
    get hits() {
      return entry.hits;
    },
    remove: () => void entries.delete(entry),
  };
}

function take<T, F>(entries: Set<Entry<T, F>>, subject: T): F | undefined {
  for (const entry of entries) {
    if (entry.hits >= entry.times || !entry.fits(subject)) continue;
    entry.hits++;
    return entry.fault;
  }
  return undefined;
}
