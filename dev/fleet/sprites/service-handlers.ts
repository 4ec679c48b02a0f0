import { ReadableStream } from "node:stream/web";
import { Refusal } from "../refusal.ts";
import { onlyParams, parse, type SpritesAnswer, type SpritesCall, type SpritesHandler } from "./call.ts";
import type { LocalSprite } from "./local-sprite.ts";
import { serviceSchema } from "./model.ts";
import type { LocalService, ServiceEvent } from "./service.ts";

/**
 * The operations on services. All of them wake their Sprite.
 * @param named the Sprite of a call.
 * @param watchScale which part of `?duration=` really passes.
 */
export function serviceHandlers(
  named: (call: SpritesCall) => LocalSprite,
  watchScale: number,
): Record<string, SpritesHandler> {
  const watchMs = (call: SpritesCall) => durationMs(call) * watchScale;
  const nameIn = ({ path }: SpritesCall) => decodeURIComponent(/\/services\/([^/?]+)/.exec(path)?.[1] ?? "");
  const on = async (
    call: SpritesCall,
    doing: (sprite: LocalSprite, service: LocalService) => Promise<SpritesAnswer> | SpritesAnswer,
  ): Promise<SpritesAnswer> => {
    const sprite = named(call);
    const end = await sprite.work();
    try {
      const service = sprite.services.get(nameIn(call));
      if (!service) throw new Refusal(404, "service not found");
      return await doing(sprite, service);
    } finally {
      end();
    }
  };
  return {
    getService: (call) => on(call, (_, service) => ({ status: 200, body: shown(service) })),
    putService: async (call) => {
      onlyParams(call, ["duration"]);
      const sprite = named(call);
      const end = await sprite.work();
      const definition = parseOr(end, () => parse(serviceSchema, call.body));
      const other = sprite.httpService;
      if (definition.http_port !== undefined && other && other.state.name !== nameIn(call)) {
        end();
        throw new Refusal(409, `service "${other.state.name}" already owns an http port`);
      }
      const { service, was } = sprite.define(nameIn(call), definition);
      if (was === "same" && service.status === "running") {
        end();
        return { status: 200, lines: only({ type: "complete", message: "service is already running" }) };
      }
      service.state.stopped = false;
      return { status: 200, lines: follow(service, watchMs(call), () => service.start(), end) };
    },
    stopService: async (call) => {
      onlyParams(call, ["timeout"]);
      return on(call, async (_, service) => {
        if (service.status !== "running") throw new Refusal(409, "service is not running");
        service.state.stopped = true;
        await service.stop();
        return { status: 200, lines: only({ type: "complete" }) };
      });
    },
    restartService: async (call) => {
      onlyParams(call, ["duration"]);
      return on(call, async (sprite, service) => {
        const end = await sprite.work();
        await service.stop();
        service.state.stopped = false;
        return { status: 200, lines: follow(service, watchMs(call), () => service.start(), end) };
      });
    },
  };
}

function parseOr<T>(otherwise: () => void, parsing: () => T): T {
  try {
    return parsing();
  } catch (error) {
    otherwise();
    throw error;
  }
}

function shown({ state, status, pid, error }: LocalService): object {
  return {
    name: state.name,
    ...state.definition,
    // The documentation says it may be null.
    needs: state.definition.needs ?? null,
    state: { name: state.name, status, ...(pid && { pid }), ...(error && { error }), restart_count: 0 },
  };
}

/** The API's stream about a start: what happens within `ms`, then `complete`; or the exit that came first. */
async function* follow(
  service: LocalService,
  ms: number,
  begin: () => void,
  end: () => void,
): AsyncGenerator<object> {
  let stop = () => {};
  const events = new ReadableStream<ServiceEvent>({
    start(controller) {
      const leave = service.onEvent((event) => controller.enqueue(event));
      const over = setTimeout(() => controller.close(), ms);
      stop = () => {
        leave();
        clearTimeout(over);
      };
    },
  });
  try {
    begin();
    for await (const event of events) {
      const timestamp = Date.now();
      if (event.type === "exit") return yield { type: "exit", exit_code: event.exit.code ?? -1, timestamp };
      yield { ...event, timestamp };
      if (event.type === "error") return;
    }
    yield { type: "complete", timestamp: Date.now() };
  } finally {
    stop();
    end();
  }
}

async function* only(line: object): AsyncGenerator<object> {
  yield { ...line, timestamp: Date.now() };
}

/** `?duration=` as the API takes it, "5s" by default. @throws Refusal 400 */
function durationMs({ params }: SpritesCall): number {
  const [, digits, unit] = /^(\d+)(ms|s)$/.exec(params.get("duration") ?? "5s") ?? [];
  if (!digits) throw new Refusal(400, "duration must be like 5s");
  return Number(digits) * (unit === "s" ? 1_000 : 1);
}
