import { z } from "zod";
import { SpriteSyncError } from "../../shared/errors.ts";
import type { GroupId } from "../../shared/ids.ts";
import { flyAuthorization } from "./fly-token.ts";
import { HOME_METADATA, type MachineRequest, type VolumeRequest } from "./machines-config.ts";
import { type ApiReply, apiError } from "./machines-errors.ts";
import { MACHINES_LIMITS } from "./machines-limits.ts";
import type { WaitState } from "./machines-states.ts";
import {
  type FlyMachine,
  type FlyVolume,
  machineSchema,
  startSchema,
  volumeSchema,
} from "./machines-types.ts";

export interface MachinesApiDeps {
  /** `https://api.machines.dev` or a local fleet host; without `/v1`. */
  readonly apiUrl: string;
  readonly appName: string;
  readonly token: string;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
}

/**
 * The calls of Fly's Machines API that a fleet needs; one HTTP request each, without any retry: whether a call may be
 * made again is for the caller to know. Every method throws `SpriteSyncError`.
 */
export interface MachinesApi {
  /** Machines of the app, destroyed ones left out; of one home only, when it is given. */
  listMachines(home?: GroupId): Promise<FlyMachine[]>;
  /** `undefined` on 404, the only answer (besides the state `destroyed`) that means "there is none". */
  showMachine(id: string): Promise<FlyMachine | undefined>;
  createMachine(request: MachineRequest): Promise<FlyMachine>;
  /** @returns false when the Machine cannot be started from the state that it is in: read it and decide again. */
  startMachine(id: string): Promise<boolean>;
  stopMachine(id: string): Promise<void>;
  deleteMachine(id: string): Promise<void>;
  /** @returns false when the state was not reached within `MACHINES_LIMITS.waitSliceSeconds`. */
  waitMachine(machine: FlyMachine, state: WaitState): Promise<boolean>;
  /** All the app's volumes: the API cannot filter them. */
  listVolumes(): Promise<FlyVolume[]>;
  showVolume(id: string): Promise<FlyVolume | undefined>;
  createVolume(request: VolumeRequest): Promise<FlyVolume>;
  deleteVolume(id: string): Promise<void>;
}

interface Call {
  readonly doing: string;
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly timeoutMs?: number;
}

export function createMachinesApi(deps: MachinesApiDeps): MachinesApi {
  const base = `${deps.apiUrl.replace(/\/+$/, "")}/v1/apps/${encodeURIComponent(deps.appName)}`;
  const headers = {
    authorization: flyAuthorization(deps.token),
    "content-type": "application/json",
    accept: "application/json",
    "user-agent": "sprite-sync",
  };

  async function send(call: Call): Promise<ApiReply> {
    const query = call.query ? `?${new URLSearchParams(call.query)}` : "";
    try {
      const response = await deps.fetch(base + call.path + query, {
        method: call.method,
        headers,
        redirect: "manual",
        signal: AbortSignal.timeout(call.timeoutMs ?? MACHINES_LIMITS.callMs),
        ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      });
      return { status: response.status, headers: response.headers, body: parseJson(await response.text()) };
    } catch (cause) {
      throw new SpriteSyncError("transient", `${call.doing}: Fly gave no answer (${nameOf(cause)})`, {
        cause,
      });
    }
  }

  async function call<T>(request: Call, schema: z.ZodType<T>): Promise<T> {
    const reply = await send(request);
    if (reply.status < 200 || reply.status > 299) throw apiError(request.doing, reply, Date.now());
    return read(request, reply, schema);
  }

  async function callOr404<T>(request: Call, schema: z.ZodType<T>): Promise<T | undefined> {
    try {
      return await call(request, schema);
    } catch (error) {
      if (error instanceof SpriteSyncError && error.code === "gone") return undefined;
      throw error;
    }
  }

  return {
    async listMachines(home) {
      const machines: FlyMachine[] = [];
      const query: Record<string, string> = {
        include_deleted: "false",
        limit: String(MACHINES_LIMITS.listPage),
      };
      if (home) query[`metadata.${HOME_METADATA}`] = home;
      const request: Call = { doing: "list Machines", method: "GET", path: "/machines", query };
      for (;;) {
        const reply = await send(request);
        if (reply.status !== 200) throw apiError(request.doing, reply, Date.now());
        machines.push(...read(request, reply, z.array(machineSchema)));
        const cursor = reply.headers.get("fly-next-cursor");
        if (!cursor) return machines;
        query.cursor = cursor;
      }
    },
    showMachine: (id) =>
      callOr404({ doing: `show Machine ${id}`, method: "GET", path: `/machines/${id}` }, machineSchema),
    createMachine: (body) =>
      call(
        {
          doing: `create Machine ${body.name} in ${body.region}`,
          method: "POST",
          path: "/machines",
          body,
          timeoutMs: MACHINES_LIMITS.createMs,
        },
        machineSchema,
      ),
    async startMachine(id) {
      const request: Call = { doing: `start Machine ${id}`, method: "POST", path: `/machines/${id}/start` };
      const reply = await send(request);
      if (reply.status < 200 || reply.status > 299) {
        const error = apiError(request.doing, reply, Date.now());
        if ((reply.status === 409 || reply.status === 412) && error.code === "transient") return false;
        throw error;
      }
      // flyctl takes this field of a 200 for a failure, so it occurs (facts/fly-machines §1.6).
      const { status } = read(request, reply, startSchema);
      if (status !== "error") return true;
      throw apiError(request.doing, { ...reply, status: 500, body: reply.body }, Date.now());
    },
    async stopMachine(id) {
      const body = { signal: "SIGTERM", timeout: "10s" };
      await call(
        { doing: `stop Machine ${id}`, method: "POST", path: `/machines/${id}/stop`, body },
        z.unknown(),
      );
    },
    async deleteMachine(id) {
      const query = { force: "true" };
      const request: Call = {
        doing: `delete Machine ${id}`,
        method: "DELETE",
        path: `/machines/${id}`,
        query,
      };
      await callOr404(request, z.unknown());
    },
    async waitMachine(machine, state) {
      const seconds = MACHINES_LIMITS.waitSliceSeconds;
      const query: Record<string, string> = { state, timeout: String(seconds) };
      // `stopped` is refused without the version, under its old name by some and its new name by others (§1.6).
      const version = machine.version ?? machine.instance_id;
      if (version && state !== "started") Object.assign(query, { version, instance_id: version });
      const request: Call = {
        doing: `wait for Machine ${machine.id} to be ${state}`,
        method: "GET",
        path: `/machines/${machine.id}/wait`,
        query,
        timeoutMs: seconds * 1000 + MACHINES_LIMITS.waitGraceMs,
      };
      const reply = await send(request);
      if (reply.status === 408) return false;
      if (reply.status === 404 && state === "destroyed") return true;
      if (reply.status !== 200) throw apiError(request.doing, reply, Date.now());
      return true;
    },
    listVolumes: () =>
      call(
        { doing: "list volumes", method: "GET", path: "/volumes", query: { summary: "true" } },
        z.array(volumeSchema),
      ),
    showVolume: (id) =>
      callOr404({ doing: `show volume ${id}`, method: "GET", path: `/volumes/${id}` }, volumeSchema),
    createVolume: (body) =>
      call(
        {
          doing: `create volume ${body.name} in ${body.region}`,
          method: "POST",
          path: "/volumes",
          body,
          timeoutMs: MACHINES_LIMITS.createMs,
        },
        volumeSchema,
      ),
    async deleteVolume(id) {
      await callOr404(
        { doing: `delete volume ${id}`, method: "DELETE", path: `/volumes/${id}` },
        z.unknown(),
      );
    },
  };
}

/** Gateways answer HTML and plain text, also with status 200: that is an answer of nobody. */
function read<T>(request: Call, reply: ApiReply, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(reply.body);
  if (parsed.success) return parsed.data;
  throw new SpriteSyncError(
    "transient",
    `${request.doing}: Fly answered ${reply.status} with a body we cannot read`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function nameOf(cause: unknown): string {
  return cause instanceof Error ? cause.name : typeof cause;
}
