import { flyAuthorization } from "../../edge/fleet/fly-token.ts";
import { type Deployment, envFlag } from "../deployment.ts";
import { type Finding, ok, problem, warning } from "../finding.ts";

/** How long one service may take to answer. */
const TIMEOUT_MS = 10_000;

/** What only the services themselves can tell. Reads, and changes nothing. */
export async function checkOnline(deployment: Deployment): Promise<Finding[]> {
  const machines = (deployment.vars.FLEET ?? "machines") === "machines";
  const checks = [checkEdge, ...(machines ? [checkFlyScope, checkFlyApp] : [checkSpritesAccount])];
  return (await Promise.all(checks.map((check) => check(deployment)))).flat();
}

type Answer = { readonly status: number; readonly body: unknown } | { readonly error: string };

async function ask(url: string, headers: Record<string, string> = {}): Promise<Answer> {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    // A redirect is an answer: sprites.dev sends whoever it does not know to a page for logging in (facts/fly-sprites §4).
    const response = await fetch(url, { headers, redirect: "manual", signal });
    const text = await response.text();
    return { status: response.status, body: asJson(text) };
  } catch (error) {
    const cause = error instanceof Error ? (error.cause ?? error) : error;
    return { error: cause instanceof Error ? cause.message : String(cause) };
  }
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A proxy's HTML page, perhaps: the status says enough.
    return undefined;
  }
}

interface TokenInfo {
  readonly org_slug?: string;
  readonly apps?: readonly string[];
  readonly restricted_to_machine?: string;
}

/** `GET /v1/tokens/current` tells whose a token is, and of which apps (facts/fly-machines §1.1). */
async function checkFlyScope({ vars, secrets }: Deployment): Promise<Finding[]> {
  const { FLY_API_TOKEN: token } = secrets;
  const { FLY_APP_NAME: app = "", FLY_API_URL: api = "" } = vars;
  const about = "FLY_API_TOKEN, asked";
  if (!token) return [];
  const run = `flyctl tokens create deploy --app ${app} --name sprite-sync-edge --expiry 8760h`;
  const answer = await ask(`${api}/v1/tokens/current`, { authorization: flyAuthorization(token) });
  if ("error" in answer) return [warning(about, `${api} could not be asked: ${answer.error}`)];
  if (answer.status === 401) return [problem(about, "Fly.io does not know it, or it has expired", { run })];
  if (answer.status !== 200) return [warning(about, `Fly.io answered ${answer.status}`)];
  const { tokens = [] } = (answer.body ?? {}) as { tokens?: readonly TokenInfo[] };
  if (tokens.some(({ restricted_to_machine: machine }) => machine)) {
    return [problem(about, "it works from inside one Machine only", { run })];
  }
  const named = tokens.flatMap(({ apps }) => apps ?? []);
  if (named.length > 0 && !named.includes(app)) {
    return [problem(about, `it is for ${named.join(", ")}, not for ${app}`, { run })];
  }
  if (named.length !== 1) {
    return [warning(about, `it opens more than ${app}: a leak would cost more than need be`, { run })];
  }
  return [ok(about, `it is for ${app} alone`)];
}

/** Whether the app is there, is ours, and how many Machines and volumes it has. */
async function checkFlyApp({ vars, secrets }: Deployment): Promise<Finding[]> {
  const { FLY_API_TOKEN: token } = secrets;
  const { FLY_APP_NAME: app = "", FLY_API_URL: api = "" } = vars;
  const about = "FLY_APP_NAME, asked";
  if (!token) return [];
  const answer = await ask(`${api}/v1/apps/${app}`, { authorization: flyAuthorization(token) });
  if ("error" in answer) return [warning(about, `${api} could not be asked: ${answer.error}`)];
  const run = `flyctl apps create ${app}`;
  if (answer.status === 404) return [problem(about, `there is no app ${app}`, { run })];
  if (answer.status === 403) {
    return [
      problem(about, `${app} is somebody else's, or the token is not for it; choose another name`, { run }),
    ];
  }
  if (answer.status !== 200) return [warning(about, `Fly.io answered ${answer.status}`)];
  const { machine_count: machines = 0, volume_count: volumes = 0 } = answer.body as Record<string, number>;
  const counts = `${machines} Machines, ${volumes} volumes`;
  return [volumes > machines ? warning(about, `${counts}: some volumes belong to none`) : ok(about, counts)];
}

/** Whether sprites.dev takes the token, and how many Sprites may run. */
async function checkSpritesAccount({ vars, secrets }: Deployment): Promise<Finding[]> {
  const { SPRITES_API_TOKEN: token } = secrets;
  const api = vars.SPRITES_API_URL ?? "https://api.sprites.dev";
  const about = "SPRITES_API_TOKEN, asked";
  if (!token) return [];
  const bearer = `Bearer ${token.trim().replace(/^Bearer\s+/i, "")}`;
  const answer = await ask(`${api}/v1/sprites?max_results=1`, { authorization: bearer });
  if ("error" in answer) return [warning(about, `${api} could not be asked: ${answer.error}`)];
  if (answer.status !== 200) return [problem(about, `sprites.dev answered ${answer.status}`)];
  // The counts come at the top or below `org` (facts/fly-sprites §1).
  const body = answer.body as { org?: Record<string, number> } & Record<string, number>;
  const { running, running_limit: limit } = { ...body, ...body.org };
  return [ok(about, limit === undefined ? "it is taken" : `${running ?? 0} of ${limit} Sprites run`)];
}

/** Whether the edge is deployed, and content with its configuration. */
async function checkEdge(deployment: Deployment): Promise<Finding[]> {
  const url = URL.parse(deployment.vars.SYNC_URL ?? "");
  const about = "the edge, asked";
  if (!url) return [];
  const health = `${url.protocol === "ws:" ? "http" : "https"}://${url.host}/health`;
  const answer = await ask(health);
  const run = `npm run deploy:edge --${envFlag(deployment)} --secrets`;
  if ("error" in answer) return [warning(about, `${health} could not be asked: ${answer.error}`, { run })];
  const { status, message } = (answer.body ?? {}) as { status?: string; message?: string };
  if (answer.status === 200 && status === "ok") return [ok(about, `${health} is well`)];
  return [problem(about, `${health} answered ${answer.status}${message ? `: ${message}` : ""}`, { run })];
}
