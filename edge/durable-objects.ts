/**
 * The Durable Objects of the edge: names of their bindings, and of their classes, which edge/worker.ts exports. Everything
 * that needs the list reads it here; wrangler.toml, which cannot, is held to it by test/edge/durable-objects.test.ts.
 */
export const DURABLE_OBJECTS = {
  DIRECTORY: "DirectoryShard",
  COORDINATOR: "Coordinator",
  FLY_QUEUE: "FlyQueue",
  WAITING_ROOM: "WaitingRoom",
} as const;
