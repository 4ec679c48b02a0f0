import { writeSync } from "node:fs";
import { parseArgs } from "node:util";
import { NapiCrypto } from "cojson/crypto/NapiCrypto";
import { WasmCrypto } from "cojson/crypto/WasmCrypto";
import fc from "fast-check";
import { routeCojsonLog } from "../../../sprite/cojson-log.ts";
import { fenced } from "../../../sprite/crypto.ts";
import { KeyCheck } from "../../../sprite/key-check.ts";
import { argumentsOf, genuineArguments, type Kind } from "./arguments.ts";
import { FUNCTIONS, HASHER, loadAddon, METHODS, PROVIDER, SESSION_MAP } from "./surface.ts";

/**
 * Calls crypto with genuine and hostile arguments, chosen by a seed, and says which call it makes before it makes it: a
 * call that ends the process is the last one told.
 *
 * `--surface addon`: the addon's own functions. Calls that {@link KeyCheck} would refuse are told as `refused`, and only made
 * when `--refused` names their number. `--surface native|wasm`: what a Sprite's node calls, with nothing left out.
 */
interface Call {
  readonly name: string;
  readonly args: readonly unknown[];
}
type Target = Record<string, unknown>;
type Tables = Readonly<Record<string, readonly Kind[]>>;

const { values } = parseArgs({
  options: {
    surface: { type: "string", default: "addon" },
    seed: { type: "string", default: "1" },
    runs: { type: "string", default: "1000" },
    from: { type: "string", default: "0" },
    refused: { type: "string" },
  },
});
const nothing = () => {};
routeCojsonLog({ debug: nothing, info: nothing, warn: nothing, error: nothing });

const plain = values.surface === "wasm" ? WasmCrypto.createSync() : await NapiCrypto.create();
const keys = new KeyCheck(plain);
const genuine = genuineArguments(plain as NapiCrypto);

function callsOf(tables: Tables): fc.Arbitrary<Call> {
  const each = Object.entries(tables).map(([name, kinds]) =>
    argumentsOf(kinds, genuine).map((args) => ({ name, args })),
  );
  return fc.oneof(...each);
}

/** One run: a session map with some of its methods, or one function. */
const runs = fc.record({
  made: argumentsOf(SESSION_MAP, genuine),
  // Half of them have something in them.
  filled: fc.boolean(),
  methods: fc.array(callsOf(METHODS), { minLength: 1, maxLength: 4 }),
  others: callsOf(values.surface === "addon" ? { ...FUNCTIONS, ...HASHER } : PROVIDER),
});

function call(target: Target, { name, args }: Call): unknown {
  const method = target[name];
  if (typeof method !== "function") throw new Error(`there is no ${name}`);
  return method.apply(target, args);
}

const addon = loadAddon();
const { provider } = values.surface === "addon" ? { provider: plain } : fenced(plain);
const { SessionMap, Blake3Hasher } = addon as Record<string, new (...args: unknown[]) => Target>;
const makeMap = (args: readonly unknown[]): Target =>
  values.surface === "addon" && SessionMap
    ? new SessionMap(...args)
    : (provider.createSessionMap as unknown as (...args: readonly unknown[]) => Target)(...args);

let number = 0;
/** Makes one call, and tells of it before. What it throws is of no interest here. */
function attempt(what: Call, make: () => unknown): void {
  const signer = what.args[1];
  const isRefused =
    values.surface === "addon" &&
    what.name === "addTransactions" &&
    typeof signer === "string" &&
    !keys.isSigner(signer);
  const mine = number++;
  if (mine < Number(values.from)) return;
  if (isRefused && values.refused !== String(mine)) {
    writeSync(1, `refused ${mine} ${what.name}\n`);
    return;
  }
  writeSync(1, `call ${mine} ${what.name}\n`);
  try {
    make();
  } catch {
    // It refused the arguments, as it should.
  }
}

for (const run of fc.sample(runs, { numRuns: Number(values.runs), seed: Number(values.seed) })) {
  let map: Target | undefined;
  attempt({ name: "new SessionMap", args: run.made }, () => {
    map = makeMap(run.made);
  });
  // The arguments may have been refused, or the call skipped: its methods need one.
  map ??= makeMap(SESSION_MAP.map((kind) => genuine[kind]));
  if (run.filled) {
    const args = METHODS.addTransactions.map((kind) => genuine[kind]);
    try {
      call(map, { name: "addTransactions", args });
    } catch {
      // A map of another header.
    }
  }
  for (const method of run.methods) {
    const of = map;
    attempt(method, () => call(of, method));
  }
  const { others } = run;
  const target: Target =
    values.surface !== "addon"
      ? (provider as unknown as Target)
      : others.name in HASHER && Blake3Hasher
        ? new Blake3Hasher()
        : addon;
  attempt(others, () => call(target, others));
}
// What WebAssembly makes of a panic is thrown in a later task.
await new Promise((resolve) => setImmediate(resolve));
writeSync(1, "done\n");
