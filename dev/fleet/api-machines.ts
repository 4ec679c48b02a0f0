import { z } from "zod";
import type { Answer, ApiCall } from "./faults.ts";
import { newUlid } from "./fly-ids.ts";
import {
  createMachineSchema,
  type MachineState,
  machineConfigSchema,
  machineStateSchema,
} from "./fly-model.ts";
import type { Machine } from "./machine.ts";
import { Refusal } from "./refusal.ts";
import type { Registry } from "./registry.ts";

/** Handles one operation of the API. @param gone aborts when the client hangs up. */
export type Handler = (call: ApiCall, gone: AbortSignal) => Answer | Promise<Answer>;

const RESTING: readonly MachineState[] = [
  "created",
  "started",
  "stopped",
  "suspended",
  "failed",
  "destroyed",
];
/** The API's own maximum and default (facts/fly-machines §1.6). */
const WAIT_SECONDS = 60;
const DEFAULT_STOP_MS = 5_000;

/** The `Machines_*` operations that the local host has. */
export function machineHandlers(registry: Registry, region: string): Record<string, Handler> {
  const machineOf = (call: ApiCall) => registry.machine(call.machineId ?? "");
  return {
    Machines_list: ({ query }) => {
      const found = registry.machines().filter((machine) => matches(machine, query));
      return { status: 200, body: found.map((machine) => machineJson(machine, query.summary === "true")) };
    },
    Machines_create: async ({ body }) => {
      const request = parse(createMachineSchema, body);
      const machine = await registry.createMachine({
        name: request.name,
        region: request.region ?? region,
        config: request.config,
      });
      const answer = { status: 200, body: machineJson(machine) };
      if (!request.skip_launch) machine.start("user");
      return answer;
    },
    Machines_show: (call) => ({ status: 200, body: machineJson(machineOf(call)) }),
    Machines_update: async (call) => updateMachine(machineOf(call), call.body),
    Machines_delete: (call) => {
      machineOf(call).destroy(call.query.force === "true" || call.query.kill === "true");
      return { status: 200, body: { ok: true } };
    },
    Machines_start: (call) => {
      const previous = machineOf(call).start("user");
      return { status: 200, body: { previous_state: previous, migrated: false, new_host: "" } };
    },
    Machines_stop: (call) => {
      const machine = machineOf(call);
      const asked = parse(stopSchema, call.body ?? {});
      const config = machine.config.stop_config;
      const signal = parse(signalSchema, asked.signal ?? config?.signal ?? "SIGINT");
      machine.stop(signal, durationMs(asked.timeout ?? config?.timeout) ?? DEFAULT_STOP_MS);
      return { status: 200, body: { ok: true } };
    },
    Machines_suspend: (call) => {
      const suspended = machineOf(call).suspend();
      // Accepted, not finished: a Machine that cannot be paused any more shows that in its state.
      return suspended.then(() => ({ status: 200, body: { ok: true } }));
    },
    Machines_wait: async (call, gone) => waitFor(machineOf(call), call.query, gone),
    Machines_list_events: (call) => ({ status: 200, body: machineOf(call).record.events }),
    Machines_show_metadata: (call) => ({ status: 200, body: machineOf(call).config.metadata ?? {} }),
    Machines_update_metadata: (call) => {
      const { metadata } = parse(z.looseObject({ metadata: z.record(z.string(), z.string()) }), call.body);
      const { config } = machineOf(call);
      config.metadata = call.method === "PUT" ? metadata : { ...config.metadata, ...metadata };
      return { status: 204 };
    },
  };
}

const stopSchema = z.looseObject({ signal: z.string().optional(), timeout: z.string().optional() });
const signalSchema = z.enum(["SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGTERM"]);

/** A Machine as the API shows it, alive or destroyed. */
export function machineJson({ record }: Machine, summary = false) {
  const { config, events, pid: _, ...shown } = record;
  const always = { ...shown, host_status: "ok" };
  return summary ? always : { ...always, config, events, checks: [] };
}

function matches({ record }: Machine, query: Readonly<Record<string, string>>): boolean {
  if (record.state === "destroyed" && query.include_deleted !== "true") return false;
  if (query.region && record.region !== query.region) return false;
  if (query.state && !query.state.split(",").includes(record.state)) return false;
  return Object.entries(query).every(
    ([key, value]) => !key.startsWith("metadata.") || record.config.metadata?.[key.slice(9)] === value,
  );
}

/** Replaces the config; a running Machine reboots with it, through `stopping` (facts/fly-machines §1.5). */
async function updateMachine(machine: Machine, body: unknown): Promise<Answer> {
  const request = parse(
    z.looseObject({
      config: machineConfigSchema,
      current_version: z.string().optional(),
      skip_launch: z.boolean().optional(),
    }),
    body,
  );
  if (request.current_version && request.current_version !== machine.record.instance_id) {
    throw new Refusal(409, "aborted: current_version does not match the machine's version");
  }
  if (request.config.mounts?.[0]?.volume !== machine.config.mounts?.[0]?.volume) {
    throw new Refusal(400, "invalid_argument: a machine's volume cannot be swapped");
  }
  const wasRunning = machine.state === "started";
  // A new config makes a snapshot of memory worthless.
  if (machine.state === "suspended") {
    machine.stop("SIGKILL", 0);
    await machine.wait(["stopped"], WAIT_SECONDS * 1000, AbortSignal.timeout(WAIT_SECONDS * 1000));
  }
  machine.record.config = request.config;
  machine.record.instance_id = newUlid();
  if (wasRunning) {
    machine.stop("SIGTERM", durationMs(request.config.stop_config?.timeout) ?? DEFAULT_STOP_MS);
    await machine.wait(["stopped"], WAIT_SECONDS * 1000, AbortSignal.timeout(WAIT_SECONDS * 1000));
  }
  if (machine.state === "stopped" && (wasRunning || !request.skip_launch)) machine.start("user");
  return { status: 200, body: machineJson(machine) };
}

async function waitFor(
  machine: Machine,
  query: Readonly<Record<string, string>>,
  gone: AbortSignal,
): Promise<Answer> {
  const wanted = (query.state ?? "started").split(",");
  const states = wanted.flatMap((state) =>
    state === "settled" ? RESTING : parse(machineStateSchema, state),
  );
  const version = query.version ?? query.instance_id;
  if (wanted.includes("stopped") && !version) {
    throw new Refusal(400, "invalid_argument: instance_id is required to wait for state stopped");
  }
  const seconds = query.timeout === undefined ? WAIT_SECONDS : Number(query.timeout);
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > WAIT_SECONDS) {
    throw new Refusal(400, "invalid_argument: timeout must be between 1s and 60s");
  }
  const reached = await machine.wait(states, seconds * 1000, gone);
  if (!reached) {
    throw new Refusal(
      408,
      `deadline_exceeded: machine failed to reach desired state, ${wanted.join(",")}, currently ${machine.state}`,
    );
  }
  const { instance_id, events } = machine.record;
  return {
    status: 200,
    body: { ok: true, state: reached, version: instance_id, event_id: events[0]?.id ?? "" },
  };
}

/** Milliseconds in a Go duration of one unit ("10s", "500ms", "1m"), as the API takes it. @throws Refusal 400 */
export function durationMs(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, digits, unit] = /^(\d+)(ms|s|m)$/.exec(text) ?? [];
  if (!digits) throw new Refusal(400, `invalid_argument: "${text}" is not a duration`);
  return Number(digits) * (unit === "m" ? 60_000 : unit === "s" ? 1_000 : 1);
}

/** @throws Refusal 400 that names the field. */
export function parse<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Refusal(400, `invalid_argument: ${issue?.path.join(".")}: ${issue?.message}`);
}
