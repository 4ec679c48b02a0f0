import { describe, expect, it } from "vitest";
import { syncAddress } from "../../demo/src/sync-address.ts";

describe("the demo page's sync address", () => {
  it("is /sync on its own origin, which is asked to tell of Sprites", () => {
    expect(syncAddress("http://127.0.0.1:8787/#/list/co_zabc")).toBe("ws://127.0.0.1:8787/sync?tell=sprites");
    expect(syncAddress("https://lists.example/some/path?x=1")).toBe("wss://lists.example/sync?tell=sprites");
  });

  it("can be another one, with its path and query", () => {
    expect(syncAddress("http://a/?sync=ws%3A%2F%2Fb%3A1%2Fsync%3Fkey%3Dk")).toBe(
      "ws://b:1/sync?key=k&tell=sprites",
    );
    expect(syncAddress("http://a/?sync=wss://b/sync#/")).toBe("wss://b/sync?tell=sprites");
  });

  it.each(["", "b:1", "http://b/sync", "javascript:alert(1)"])("is never %o", (wanted) => {
    expect(() => syncAddress(`http://a/?sync=${encodeURIComponent(wanted)}`)).toThrow(/must start with ws:/);
  });
});
