import { describe, expect, it } from "vitest";
import type { ApiExchange } from "../../dev/fleet/index.ts";
import { loadOpenApi } from "./openapi.ts";

/** The check behind every other test here: it must be able to fail. */
describe("the check against Fly's OpenAPI document", () => {
  const { violations } = loadOpenApi();
  const exchange = (overrides: Partial<ApiExchange>): ApiExchange => ({
    operation: "Machines_create",
    method: "POST",
    path: "/apps/a/machines",
    query: {},
    machineId: undefined,
    body: { name: "x", config: { image: "i", services: [{ autostop: "off", internal_port: 1 }] } },
    answer: { status: 200, body: { id: "1", state: "created" } },
    faulted: false,
    ...overrides,
  });

  it("accepts what keeps to it", () => {
    expect(violations(exchange({}))).toEqual([]);
    expect(violations(exchange({ answer: { status: 409, body: { error: "taken" } } }))).toEqual([]);
  });

  it.each([
    ["a wrong type deep in a request", { body: { config: { services: [{ internal_port: "8080" }] } } }],
    ["a field that does not exist", { body: { config: { auto_stop: "off" } } }],
    ["a value outside its enumeration", { body: { config: { services: [{ autostop: "never" }] } } }],
    ["a missing body", { body: undefined }],
    ["an unknown query parameter", { query: { regoin: "fra" } }],
    ["a wrong answer", { answer: { status: 200, body: { id: 1 } } }],
    ["a status it never answers", { answer: { status: 201, body: { id: "1" } } }],
    ["an error of another shape", { answer: { status: 409, body: { reason: "taken" } } }],
    ["an operation it does not have", { operation: "Machines_dance" }],
  ])("finds %s", (_, overrides) => {
    expect(violations(exchange(overrides))).not.toEqual([]);
  });
});
