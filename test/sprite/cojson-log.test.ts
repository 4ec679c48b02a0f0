import { logger } from "cojson";
import { expect, test } from "vitest";
import type { LogFields } from "../../shared/log.ts";
import { routeCojsonLog, safeFields } from "../../sprite/cojson-log.ts";
import { SILENT } from "./support.ts";

test("Of cojson's attributes only ids and codes are logged: no messages, no headers, no texts of errors", () => {
  const fields = safeFields({
    id: "co_zA",
    peerId: "home-1",
    errorType: "InvalidSignature",
    msg: { new: "content" },
    header: { meta: "content" },
    knownState: {},
    err: new SyntaxError("Unexpected token in content"),
  });
  expect(fields).toEqual({
    id: "co_zA",
    peerId: "home-1",
    errorType: "InvalidSignature",
    error: "SyntaxError",
  });
});

test.each([undefined, null, "text", 5])("%o as attributes is nothing to log", (attributes) => {
  expect(safeFields(attributes)).toEqual({});
});

test("cojson logs through ours", () => {
  const lines: [LogFields, string][] = [];
  routeCojsonLog({ ...SILENT, warn: (fields, message) => lines.push([fields, message]) });
  logger.warn("something", { id: "co_zA" });
  logger.info("not worth a line");
  routeCojsonLog(SILENT);
  expect(lines).toEqual([[{ id: "co_zA" }, "cojson: something"]]);
});
