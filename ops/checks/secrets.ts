import { parsePassKeys } from "../../shared/pass.ts";
import { type Deployment, envFlag } from "../deployment.ts";
import { type Finding, ok, problem, warning } from "../finding.ts";

/** The secrets that this deployment needs, and what form they have. None of them is ever printed. */
export function checkSecrets(deployment: Deployment): Finding[] {
  const { vars, secrets } = deployment;
  const fleet = vars.FLEET ?? "machines";
  return [
    checkPassKeys(deployment),
    ...(fleet === "machines" ? [checkFlyToken(deployment)] : [checkSpritesToken(deployment)]),
    ...((vars.CLIENT_AUTH ?? "open") !== "open" && !secrets.CLIENT_KEYS
      ? [missing(deployment, "CLIENT_KEYS", "openssl rand -hex 32")]
      : []),
    ...Object.keys(vars)
      .filter((name) => ["PASS_KEYS", "FLY_API_TOKEN", "SPRITES_API_TOKEN", "CLIENT_KEYS"].includes(name))
      .map((name) =>
        problem(name, "is a variable in wrangler.toml, for everybody to read; it must be a secret"),
      ),
  ];
}

function missing(deployment: Deployment, name: string, make: string): Finding {
  return problem(name, "is neither in .dev.vars nor in the environment (kept elsewhere? --no-secrets)", {
    run: `echo "${name}=$(${make})" >> .dev.vars${deployment.environment ? `.${deployment.environment}` : ""}`,
  });
}

function checkPassKeys(deployment: Deployment): Finding {
  const { PASS_KEYS: text } = deployment.secrets;
  if (!text) return missing(deployment, "PASS_KEYS", "openssl rand -hex 32");
  try {
    const keys = parsePassKeys(text);
    const weak = text.split(",").some((key) => new Set(key.trim()).size < 10);
    if (weak) return problem("PASS_KEYS", "repeats a few characters; make it with `openssl rand -hex 32`");
    return keys.length === 2
      ? warning("PASS_KEYS", "holds two keys: finish the rotation by removing the second")
      : ok("PASS_KEYS", "one key");
  } catch (error) {
    return problem(
      "PASS_KEYS",
      (error instanceof Error ? error.message : String(error)).replace("PASS_KEYS ", ""),
    );
  }
}

/** facts/fly-machines §1.1: `fly tokens create` prints `FlyV1 ` and macaroons, separated by commas, as one token. */
function checkFlyToken(deployment: Deployment): Finding {
  const { FLY_API_TOKEN: token } = deployment.secrets;
  const run = `flyctl tokens create deploy --app ${deployment.vars.FLY_APP_NAME} --name sprite-sync-edge --expiry 8760h`;
  const about = "FLY_API_TOKEN";
  if (!token) return missing(deployment, about, run);
  const bare = token.trim().replace(/^(FlyV1|Bearer)\s+/i, "");
  const parts = bare.split(",");
  if (/["'\s]/.test(bare)) return problem(about, "holds quotes or white space", { run });
  if (/^fo\d_/.test(bare)) {
    return warning(
      about,
      "is a person's token, which may do everything that person may; make one for the app",
      { run },
    );
  }
  if (!/^fm[12][a-z]?_/.test(bare)) {
    return bare.split("/").length === 4
      ? problem(about, "is a token of sprites.dev; Machines need one of Fly.io", { run })
      : problem(about, "is no token that flyctl prints: FlyV1 fm2_…", { run });
  }
  const whole = parts.every((part) => /^fm[12][a-z]?_[A-Za-z0-9+/_=-]{20,}$/.test(part));
  if (!whole) return problem(about, "is cut off: copy all of it, commas included", { run });
  return ok(about, `a token of Fly.io of ${parts.length} parts`);
}

/** facts/fly-sprites §1: `org/orgid/tokid/secret`; Fly's own tokens are not accepted. */
function checkSpritesToken(deployment: Deployment): Finding {
  const { SPRITES_API_TOKEN: token } = deployment.secrets;
  const about = "SPRITES_API_TOKEN";
  const edit = ".dev.vars: SPRITES_API_TOKEN=…, made on https://sprites.dev/account";
  if (!token) {
    return problem(about, "is neither in .dev.vars nor in the environment (kept elsewhere? --no-secrets)", {
      edit,
    });
  }
  const bare = token.trim().replace(/^Bearer\s+/i, "");
  if (/^(FlyV1\s|fm[12]|fo\d_)/.test(bare)) {
    return problem(about, "is a token of Fly.io, which sprites.dev refuses", { edit });
  }
  if (!/^[^/\s]+\/[^/\s]+\/[^/\s]+\/[^/\s]+$/.test(bare)) {
    return problem(about, "does not look like org/…/…/…", { edit });
  }
  return ok(about, `a token of the organization ${bare.split("/")[0]}`);
}

/** Commands that put the secrets where they are used. Shown after everything else is well. */
export function putSecrets(deployment: Deployment): string[] {
  const file = deployment.environment ? `.dev.vars.${deployment.environment}` : ".dev.vars";
  const machines = (deployment.vars.FLEET ?? "machines") === "machines";
  return [
    `npx wrangler secret bulk ${file}${envFlag(deployment)}`,
    ...(machines
      ? [`grep ^PASS_KEYS= ${file} | flyctl secrets import --stage --app ${deployment.vars.FLY_APP_NAME}`]
      : []),
  ];
}
