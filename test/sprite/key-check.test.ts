import fc from "fast-check";
import { expect, test } from "vitest";
import { SpriteSyncError } from "../../shared/errors.ts";
import type { CoValueHeader } from "../../shared/header.ts";
import type { CoValueId } from "../../shared/ids.ts";
import { KeyCheck } from "../../sprite/key-check.ts";
import { HOSTILE_AGENTS } from "../support/hostile-keys.ts";
import { crypto, newAccount } from "./support.ts";

const keys = new KeyCheck(crypto);
const agentOf = () => crypto.getAgentID(crypto.newRandomAgentSecret());
const group = (initialAdmin: string, meta: CoValueHeader["meta"] = null): CoValueHeader => ({
  type: "comap",
  ruleset: { type: "group", initialAdmin },
  meta,
});

test("Every key that cojson makes passes, the first time and from memory", () => {
  for (let n = 0; n < 200; n++) {
    const agent = agentOf();
    for (const coSession of [crypto.newRandomSessionID(agent), crypto.newDeleteSessionID(agent)]) {
      keys.checkCoSession(coSession);
    }
    expect(keys.isSigner(crypto.getAgentSignerID(agent))).toBe(true);
    keys.checkHeader(group(agent));
    keys.checkHeader(group(agent, { type: "account" }));
  }
  const { id } = newAccount();
  keys.checkCoSession(crypto.newRandomSessionID(id));
  keys.checkHeader(group(id));
  keys.checkHeader({ type: "comap", ruleset: { type: "ownedByGroup", group: id as string as CoValueId } });
});

test.each(Object.entries(HOSTILE_AGENTS))(
  "An agent with %s is refused wherever it stands",
  (_, [agent, cause]) => {
    for (let time = 0; time < 2; time++) {
      expect(() => keys.checkCoSession(`${agent}_session_z2`)).toThrow(
        `${cause} in the session id is not a key`,
      );
      expect(() => keys.checkHeader(group(agent))).toThrow(`${cause} in \`initialAdmin\``);
      expect(() => keys.checkHeader(group(agent, { type: "account" }))).toThrow(`${cause} in`);
    }
    if (cause === "the signer") expect(keys.isSigner(agent.slice(agent.indexOf("/") + 1))).toBe(false);
  },
);

test("An account whose initial admin is another account is refused: nothing could be verified by it", () => {
  expect(() => keys.checkHeader(group(newAccount().id, { type: "account" }))).toThrow("names no agent");
});

test("Whatever stands for a signer in a session id, it is refused as a bad message or is a key", () => {
  const [sealer] = agentOf().split("/");
  const signature = crypto.sign(crypto.newRandomSigner(), null);
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.stringMatching(/^signer_z[1-9A-HJ-NP-Za-km-z]{43,44}$/),
  );
  fc.assert(
    fc.property(text, (signer) => {
      try {
        keys.checkCoSession(`${sealer}/${signer}_session_z2`);
      } catch (error) {
        return error instanceof SpriteSyncError && error.code === "bad-message";
      }
      return crypto.verify(signature, null, signer as never) === false;
    }),
  );
});
