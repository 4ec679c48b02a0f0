import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineCommand } from "../cli/command.ts";
import { main } from "../cli/main.ts";
import { checkFleet } from "./checks/fleet.ts";
import { checkOnline } from "./checks/online.ts";
import { checkSecrets, putSecrets } from "./checks/secrets.ts";
import { checkAddress, checkBindings, checkChoices, checkVariables } from "./checks/worker.ts";
import { type Deployment, readDeployment } from "./deployment.ts";
import { type Finding, ok, printFindings, warning } from "./finding.ts";

export interface Examination {
  readonly online: boolean;
  readonly secrets: boolean;
  /** `PATH`, where flyctl has to be. */
  readonly path: string;
}

/** Everything that can be found out about a deployment before it is made, or while it runs. */
export async function examine(deployment: Deployment, options: Examination): Promise<Finding[]> {
  return [
    ...checkVariables(deployment),
    ...checkBindings(deployment),
    ...checkAddress(deployment),
    ...checkFleet(deployment),
    ...(options.secrets ? checkSecrets(deployment) : []),
    ...checkChoices(deployment),
    checkFlyctl(options.path),
    ...(options.online ? await checkOnline(deployment) : []),
  ];
}

function checkFlyctl(path: string): Finding {
  const found = path.split(delimiter).some((directory) => existsSync(join(directory, "flyctl")));
  if (found) return ok("flyctl", "is installed");
  return warning("flyctl", "is not installed here", { run: "curl -L https://fly.io/install.sh | sh" });
}

/** `npm run doctor`. */
export const DOCTOR = defineCommand({
  name: "doctor",
  about:
    "Reads the configuration, and names what is missing. Exit code 0: nothing is wrong; 1: something is.",
  options: {
    env: { type: "string", value: "NAME", about: "environment of wrangler.toml; production unless given" },
    online: {
      type: "boolean",
      default: false,
      about: "also ask Fly.io, sprites.dev and the edge; reads only",
    },
    "no-secrets": {
      type: "boolean",
      default: false,
      about: "secrets are kept elsewhere: do not ask for them",
    },
    dir: {
      type: "string",
      default: fileURLToPath(new URL("..", import.meta.url)),
      value: "DIR",
      about: "directory of wrangler.toml and fly.toml (default: this project)",
    },
    json: { type: "boolean", default: false, about: "print JSON" },
  },
  failureCode: 2,
  async run(values, _operands, { print, env }) {
    const deployment = await readDeployment(values.dir, values.env, env);
    const { PATH: path = "" } = env;
    const findings = await examine(deployment, {
      online: values.online,
      secrets: !values["no-secrets"],
      path,
    });
    const sick = findings.some(({ level }) => level === "problem");
    const next = sick ? [] : putSecrets(deployment);
    if (values.json) print(JSON.stringify({ ok: !sick, findings, next }, null, 2));
    else {
      print(printFindings(findings));
      if (next.length > 0) print(`\nIf the secrets have changed:\n  ${next.join("\n  ")}`);
    }
    return sick ? 1 : 0;
  },
});

if (import.meta.main) await main(DOCTOR);
