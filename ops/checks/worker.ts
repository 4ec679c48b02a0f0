import { parseConfig } from "../../edge/config.ts";
import { DURABLE_OBJECTS } from "../../edge/durable-objects.ts";
import { type Deployment, envFlag, varsSection } from "../deployment.ts";
import { type Finding, ok, problem, warning } from "../finding.ts";

/** Stands in for a secret that is kept elsewhere, so that everything else can be checked as the Worker will. */
const UNSEEN: Readonly<Record<string, string>> = {
  PASS_KEYS: "unseen".repeat(8),
  FLY_API_TOKEN: "unseen",
  SPRITES_API_TOKEN: "unseen",
};

/** The variables, read as the Worker reads them: with its own code. */
export function checkVariables({ vars, secrets }: Deployment): Finding[] {
  const unseen = { ...UNSEEN, ...(vars.CLIENT_AUTH !== "open" && { CLIENT_KEYS: "unseen".repeat(8) }) };
  try {
    parseConfig({ ...unseen, ...vars, ...secrets });
    return [ok("variables", "the Worker takes them")];
  } catch (error) {
    const [, ...mistakes] = (error instanceof Error ? error.message : String(error)).split("\n");
    return mistakes.map((mistake) => problem("variables", mistake.trim()));
  }
}

/** What the Worker is bound to (wrangler.toml; these parts are not inherited by environments). */
export function checkBindings(deployment: Deployment): Finding[] {
  const { worker } = deployment;
  const findings: Finding[] = [];
  const kv = worker.kv_namespaces.find(({ binding }) => binding === "ADDRESSES");
  if (!kv || !/^[0-9a-f]{32}$/.test(kv.id ?? "")) {
    findings.push(
      problem("ADDRESSES", kv ? `${kv.id} is a placeholder, not the id of a KV namespace` : "is not bound", {
        run: `npx wrangler kv namespace create ADDRESSES${envFlag(deployment)}`,
        edit: "wrangler.toml, kv_namespaces: id = what that command prints",
      }),
    );
  } else findings.push(ok("ADDRESSES", `KV namespace ${kv.id}`));
  const classes = new Set(worker.migrations.flatMap((migration) => migration.new_sqlite_classes ?? []));
  for (const [name, className] of Object.entries(DURABLE_OBJECTS)) {
    const bound = worker.durable_objects.bindings.find((binding) => binding.name === name);
    if (bound?.class_name === className && classes.has(className)) continue;
    findings.push(problem(name, `must be bound to the class ${className}, which a migration creates`));
  }
  return [...findings, ...checkRateLimits(worker.ratelimits ?? [])];
}

function checkRateLimits(limits: NonNullable<Deployment["worker"]["ratelimits"]>): Finding[] {
  const missing = ["NEW_SESSIONS", "NEW_SPRITES"].filter(
    (name) => !limits.some((limit) => limit.name === name),
  );
  const ids = limits.map(({ namespace_id }) => namespace_id);
  return [
    ...missing.map((name) => warning(name, "is not bound: nothing limits how much one client may do")),
    ...(new Set(ids).size < ids.length
      ? [problem("ratelimits", "two limits have the same namespace_id, and would count together")]
      : []),
  ];
}

/** The address under which the Worker is reached. */
export function checkAddress(deployment: Deployment): Finding[] {
  const { worker, vars } = deployment;
  const findings: Finding[] = [];
  const name = worker.name ?? "";
  const url = URL.parse(vars.SYNC_URL ?? "");
  if (!url) return findings;
  const line = `wrangler.toml, ${varsSection(deployment)}: SYNC_URL = "wss://<host>/sync"`;
  if (url.protocol !== "wss:" || url.pathname !== "/sync") {
    findings.push(problem("SYNC_URL", "must look like wss://<host>/sync", { edit: line }));
  }
  const hosts = (worker.routes ?? []).map((route) =>
    hostOf(typeof route === "string" ? route : route.pattern),
  );
  const onWorkersDev = url.host.endsWith(".workers.dev");
  if (/(^|\.)example(\.|$)/.test(url.host)) {
    findings.push(
      problem("SYNC_URL", "is still the example", {
        edit: `${line.replace("<host>", `${name}.<your subdomain>.workers.dev`)}, as \`wrangler deploy\` prints it`,
      }),
    );
  } else if (onWorkersDev ? !url.host.startsWith(`${name}.`) : !hosts.includes(url.host)) {
    const served = onWorkersDev
      ? `the Worker ${name} is reached at ${name}.<your subdomain>.workers.dev`
      : `no route of wrangler.toml serves ${url.host}`;
    findings.push(problem("SYNC_URL", `leads elsewhere: ${served}`, { edit: line }));
  } else findings.push(ok("SYNC_URL", vars.SYNC_URL ?? ""));
  return findings;
}

function hostOf(pattern: string): string {
  return pattern.replace(/^https?:\/\//, "").split("/", 1)[0] ?? "";
}

/** Choices that work, and that somebody should have made. */
export function checkChoices({ vars }: Deployment): Finding[] {
  return [
    ...((vars.CLIENT_AUTH ?? "open") === "open"
      ? [warning("CLIENT_AUTH", "is open: whoever reaches the edge may create groups, within its limits")]
      : []),
    ...(vars.SPRITE_BACKUP
      ? []
      : [
          warning("SPRITE_BACKUP", "is not set: a disk that is lost comes back only from clients", {
            edit: `wrangler.toml: SPRITE_BACKUP = "s3://bucket/prefix" (docs/deploy.md, Backups)`,
          }),
        ]),
    ...(vars.SPRITE_DURABILITY === "flush"
      ? [warning("SPRITE_DURABILITY", "is flush: an acknowledged write may be lost when a host loses power")]
      : []),
  ];
}
