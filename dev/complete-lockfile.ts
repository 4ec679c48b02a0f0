import { readFile, writeFile } from "node:fs/promises";

/**
 * Adds to package-lock.json the optional packages of other platforms that the registry did not serve when the lockfile was
 * made: npm leaves them out then, and `npm ci` refuses the lockfile as incomplete. Run after `npm install` behind a
 * registry that has this machine's platform only: `node dev/complete-lockfile.ts`.
 */
interface LockedPackage {
  version?: string;
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
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
await writeFile(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(added.length > 0 ? `added ${added.join(", ")}` : "nothing was missing");
