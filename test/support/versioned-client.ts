import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { OpenOptions, Operations } from "../clients/client.ts";
import { startRemote } from "./remote-operations.ts";

const CLIENTS = fileURLToPath(new URL("../clients/", import.meta.url));
const installs = new Map<string, Promise<void>>();

/** An unmodified cojson client of one version in its own process: see test/clients/client.ts. */
export type VersionedClient = Operations & {
  readonly account: NonNullable<OpenOptions["account"]>;
  close(): Promise<void>;
};

/** Starts a client of `version`, a folder of test/clients, and installs its packages if need be. */
export async function startVersionedClient(
  version: string,
  syncUrl: string,
  options: OpenOptions = {},
): Promise<VersionedClient> {
  await installed(version);
  const { call, close } = startRemote<Operations>(`${CLIENTS}client.ts`, `cojson ${version}`, {
    args: [version],
  });
  const own = { account: await call.open(syncUrl, options), close };
  return new Proxy(own as VersionedClient, {
    get: (target, key) => (key in own ? Reflect.get(target, key) : Reflect.get(call, key)),
  });
}

/** Once for each version, and again when its lock is newer than what is there. */
function installed(version: string): Promise<void> {
  let install = installs.get(version);
  if (!install) {
    install = installIfNeeded(`${CLIENTS}${version}`);
    installs.set(version, install);
  }
  return install;
}

async function installIfNeeded(folder: string): Promise<void> {
  const changedAt = async (path: string) =>
    (await stat(`${folder}/${path}`).catch(() => undefined))?.mtimeMs ?? 0;
  if ((await changedAt("node_modules/.package-lock.json")) >= (await changedAt("package-lock.json"))) return;
  const options = ["--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund"];
  await promisify(execFile)("npm", ["ci", ...options], { cwd: folder });
}
