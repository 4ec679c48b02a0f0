import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseRelease } from "../../edge/fleet/sprites-setup.ts";
import { REGION_TABLE } from "../../edge/region-table.ts";
import { type Deployment, envFlag, varsSection } from "../deployment.ts";
import { type Finding, ok, problem, warning } from "../finding.ts";

/** Cloudflare's limit for one file among the assets (facts/cloudflare §5). */
const ASSET_BYTES = 25 * 1024 * 1024;

/** What the Sprites will run on. */
export function checkFleet(deployment: Deployment): Finding[] {
  return (deployment.vars.FLEET ?? "machines") === "machines"
    ? [
        ...checkApp(deployment),
        checkImage(deployment),
        ...checkRegions(deployment),
        ...checkFlyToml(deployment),
      ]
    : [checkRelease(deployment)];
}

function checkApp(deployment: Deployment): Finding[] {
  const { FLY_APP_NAME: app = "", FLY_APP_URL: url = "", FLY_API_URL: api = "" } = deployment.vars;
  const section = `wrangler.toml, ${varsSection(deployment)}`;
  const findings: Finding[] = [];
  if (!/^[a-z][a-z0-9-]{0,61}[a-z0-9]$/.test(app)) {
    const says = `${app || "nothing"} cannot be an app's name: small letters, digits and dashes, 63 at most`;
    findings.push(problem("FLY_APP_NAME", says, { edit: `${section}: FLY_APP_NAME = "…"` }));
  } else if (app.startsWith("my-sprites")) {
    findings.push(
      problem("FLY_APP_NAME", `${app} is the example; names are unique in all of Fly.io`, {
        run: `flyctl apps create ${app.replace("my-", "<yours>-")}`,
        edit: `${section}: FLY_APP_NAME, FLY_APP_URL; fly.toml: app`,
      }),
    );
  }
  const host = URL.parse(url)?.host ?? "";
  if (URL.parse(url)?.protocol !== "https:") findings.push(problem("FLY_APP_URL", "must be https://…"));
  else if (host.endsWith(".fly.dev") && host !== `${app}.fly.dev`) {
    const edit = `${section}: FLY_APP_URL = "https://${app}.fly.dev"`;
    findings.push(problem("FLY_APP_URL", `is of another app than FLY_APP_NAME, ${app}`, { edit }));
  }
  if (api !== "https://api.machines.dev") {
    const edit = `${section}: FLY_API_URL = "https://api.machines.dev"`;
    findings.push(warning("FLY_API_URL", `${api} is not Fly's Machines API`, { edit }));
  }
  return findings.length > 0 ? findings : [ok("FLY_APP_NAME", `${app}, reached at ${url}`)];
}

/** A tag may be moved, or cleaned away; with a digest all Machines run the same (facts/fly-machines §5.9). */
function checkImage(deployment: Deployment): Finding {
  const { SPRITE_IMAGE: image = "" } = deployment.vars;
  const run = `npm run deploy:sprite --${envFlag(deployment)} --write`;
  const [, repository, digest] =
    /^registry\.fly\.io\/([a-z0-9-]+)(?::[\w.-]+)?(@sha256:[0-9a-f]{64})?$/.exec(image) ?? [];
  if (!repository)
    return problem("SPRITE_IMAGE", `${image || "nothing"} is no image of registry.fly.io`, { run });
  if (!digest) return problem("SPRITE_IMAGE", `${image} names a tag, not a digest (…@sha256:…)`, { run });
  return ok("SPRITE_IMAGE", image);
}

function checkRegions({ vars }: Deployment): Finding[] {
  const known = new Set<string>(REGION_TABLE.map(({ code }) => code));
  const named = (vars.SPRITE_REGIONS ?? "").split(/[\s,]+/).filter(Boolean);
  const strange = named.filter((code) => !known.has(code));
  if (strange.length > 0) {
    const says = `${strange.join(", ")}: Fly.io has ${[...known].join(" ")}`;
    return [problem("SPRITE_REGIONS", says, { edit: `wrangler.toml: SPRITE_REGIONS = "fra"` })];
  }
  return named.length > 0 ? [ok("SPRITE_REGIONS", named.join(", "))] : [];
}

function checkFlyToml({ environment, fly, vars, root }: Deployment): Finding[] {
  if (!fly) return [problem("fly.toml", "is missing; `npm run deploy:sprite` builds with it")];
  const findings: Finding[] = [];
  const dockerfile = fly.build?.dockerfile;
  if (!dockerfile || !existsSync(join(root, dockerfile))) {
    findings.push(problem("fly.toml", `its dockerfile ${dockerfile ?? ""} is not there`));
  }
  // Other environments name their app on the command line.
  if (!environment && fly.app !== vars.FLY_APP_NAME) {
    const edit = `fly.toml: app = "${vars.FLY_APP_NAME}"`;
    findings.push(
      problem("fly.toml", `builds for the app ${fly.app}, the edge uses ${vars.FLY_APP_NAME}`, { edit }),
    );
  }
  const own = ["http_service", "services", "mounts", "vm", "processes"].filter((section) => section in fly);
  if (own.length > 0) {
    findings.push(problem("fly.toml", `has ${own.join(", ")}: a deploy would make Machines of its own`));
  }
  return findings.length > 0 ? findings : [ok("fly.toml", `builds ${dockerfile} for ${fly.app}`)];
}

function checkRelease(deployment: Deployment): Finding {
  const { SPRITE_RELEASE: address = "" } = deployment.vars;
  const about = "SPRITE_RELEASE";
  if (address === "" || address === "auto") {
    return ok(about, "`npm run deploy:edge` builds it and deploys it among the edge's assets");
  }
  try {
    const { system, version } = parseRelease(address);
    if (system !== "Linux x86_64")
      return problem(about, `is built for ${system}; Fly Sprites are Linux x86_64`);
    if (!address.startsWith("/")) return ok(about, `version ${version}, from ${new URL(address).host}`);
    const file = join(deployment.root, deployment.worker.assets?.directory ?? "", address);
    if (!existsSync(file)) {
      return problem(about, `${address} is not among the assets`, {
        run: `npm run deploy:edge --${envFlag(deployment)}`,
      });
    }
    const { size } = statSync(file);
    return size <= ASSET_BYTES
      ? ok(about, `version ${version}, ${(size / 1e6).toFixed(1)} MB among the assets`)
      : problem(about, `has ${size} bytes; an asset may have ${ASSET_BYTES}. Host it elsewhere`);
  } catch (error) {
    return problem(
      about,
      (error instanceof Error ? error.message : String(error)).replace("SPRITE_RELEASE ", ""),
    );
  }
}
