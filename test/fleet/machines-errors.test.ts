import { describe, expect, it } from "vitest";
import { apiError, kindOf, retryAfterMs } from "../../edge/fleet/machines-errors.ts";

describe("an answer of the Machines API means", () => {
  it.each([
    [400, "no capacity", "", "capacity"],
    [400, "invalid_argument: config.image", "", "config-invalid"],
    [400, "volume vol_x not found", "", "transient"],
    [401, "", "", "auth"],
    [403, "unauthorized", "", "auth"],
    [403, 'organization "x" is using 40960 MB of memory in dfw which is over the allowed quota', "", "quota"],
    [404, "machine not found", "", "gone"],
    [408, "deadline_exceeded: …", "", "transient"],
    [409, "lease currently held by …", "", "transient"],
    [409, "aborted: could not reserve resource for machine: insufficient memory available", "", "capacity"],
    [412, "failed_precondition: unable to start machine from current state: 'created'", "", "transient"],
    [412, "insufficient resources to create new machine with existing volume 'vol_x'", "", "capacity"],
    [422, "Validation failed: …", "", "config-invalid"],
    [422, "You have reached the maximum number of machines", "", "quota"],
    [429, "", "", "rate"],
    [503, "", "insufficient_capacity", "capacity"],
    [500, "", "volume_placement_capacity", "capacity"],
    [500, "", "unknown", "transient"],
    [502, "", "", "transient"],
    [302, "", "", "transient"],
  ])("%i %j %j: %s", (status, text, apiStatus, kind) => {
    expect(kindOf(status, text, apiStatus)).toBe(kind);
  });

  const reply = (status: number, body: unknown, headers: Record<string, string> = {}) => ({
    status,
    body,
    headers: new Headers(headers),
  });

  it("a message that names the call, the reason and Fly's request id", () => {
    const error = apiError(
      "create Machine g-x",
      reply(409, { message: "lease held" }, { "fly-request-id": "01REQ" }),
      0,
    );
    expect(error.message).toBe('create Machine g-x: Fly answered 409 "lease held" (fly-request-id 01REQ)');
  });

  it.each([undefined, "text", 42, null, [], { error: 5 }])("something even when its body is %j", (body) => {
    expect(apiError("x", reply(500, body), 0)).toMatchObject({
      code: "transient",
      message: "x: Fly answered 500 without a readable reason",
    });
  });

  it("a pause, in seconds or until a date, and a second and a half when it names none", () => {
    expect(retryAfterMs("7", 0)).toBe(7_000);
    expect(retryAfterMs(new Date(9_000).toUTCString(), 4_000)).toBe(5_000);
    expect(retryAfterMs(new Date(1_000).toUTCString(), 4_000)).toBe(0);
    for (const nothing of [null, "", "soon"]) expect(retryAfterMs(nothing, 0)).toBeUndefined();
    expect(apiError("x", reply(429, {}), 0).retryAfterMs).toBe(1_500);
    expect(apiError("x", reply(429, {}, { "retry-after": "0" }), 0).retryAfterMs).toBe(0);
  });
});
