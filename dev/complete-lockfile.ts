import { readFile, writeFile } from "node:fs/promises";

/**
 * Mends package-lock.json. Run it after each `npm install`: `node dev/complete-lockfile.ts`.
 *
 * 1. It adds the optional packages of other platforms that the registry did not serve when the lockfile was made: npm
 *    leaves them out then, and `npm ci` refuses the lockfile as incomplete.
 * 2. It removes what packages say of the Node that they need. npm compares it with the Node that npm itself runs in, which
 *    may be older, and warns of each. All scripts run in the Node of this project, the package `node`.
 */
interface LockedPackage {
  version?: string;
  engines?: unknown;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

const PLATFORMS = [
  "android",
  "darwin",
  "freebsd",
  "linux",
  "netbsd",
  "openbsd",
  "openharmony",
  "sunos",
  "win32",
];
const PROCESSORS = ["arm64", "arm", "x64", "ia32", "loong64", "mips64el", "ppc64", "riscv64", "s390x"];

const file = new URL("../package-lock.json", import.meta.url);
const lock = JSON.parse(await readFile(file, "utf8")) as { packages: Record<string, LockedPackage> };
const added: string[] = [];
for (const { optionalDependencies = {}, dev } of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    const os = PLATFORMS.find((platform) => name.includes(platform));
    const cpu = PROCESSORS.find((processor) => name.includes(processor));
    // Only exact versions of packages that name their platform: everything else npm has to resolve.
    if (`node_modules/${name}` in lock.packages || !/^\d+\.\d+\.\d+/.test(version) || !os || !cpu) continue;
    const libc = name.includes("musl") ? "musl" : name.includes("gnu") ? "glibc" : undefined;
    lock.packages[`node_modules/${name}`] = {
      version,
      os: [os],
      cpu: [cpu],
      ...(libc && { libc: [libc] }),
      ...(dev && { dev }),
      optional: true,
    };
    added.push(name);
  }
}
for (const [path, locked] of Object.entries(lock.packages)) if (path !== "") delete locked.engines;
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
await writeFile(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(added.length > 0 ? `added ${added.join(", ")}` : "nothing was missing");
