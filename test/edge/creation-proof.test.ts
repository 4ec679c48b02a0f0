import { beforeAll, describe, expect, test } from "vitest";
import { type ProofVerdict, SignedCreations } from "../../edge/creation-proof.ts";
import { LIMITS } from "../../shared/limits.ts";
import { type ContentMessage, parseMessage } from "../../shared/messages.ts";
import { contentOf, newNode } from "../support/real-values.ts";

interface Piece {
  after: number;
  lastSignature: string;
  newTransactions: Record<string, unknown>[];
}
interface Content {
  id: string;
  header?: { ruleset: { initialAdmin?: string } };
  new: Record<string, Piece>;
}

async function values() {
  const { node, accountID } = await newNode();
  const other = await newNode();
  const first = (value: Parameters<typeof contentOf>[0]) => JSON.parse(contentOf(value)[0] ?? "") as Content;
  const group = node.createGroup();
  group.addMember("everyone", "reader");
  const open = node.createCoValue({
    type: "comap",
    ruleset: { type: "unsafeAllowAll" },
    meta: null,
    ...node.crypto.createdNowUnique(),
  });
  open.makeTransaction([{ op: "set", key: "a", value: 1 }], "trusting");
  return {
    account: first({ core: node.expectCoValueLoaded(accountID) }),
    group: first(group),
    open: first({ core: open }),
    other: first({ core: other.node.expectCoValueLoaded(other.accountID) }),
    otherGroup: first(other.node.createGroup()),
  };
}

let v: Awaited<ReturnType<typeof values>>;
beforeAll(async () => {
  v = await values();
});

const asMessage = (content: object) => parseMessage(JSON.stringify(content)) as ContentMessage;

async function verdictOn(
  contents: object[],
  accounts: object[] = [v.account, v.other],
): Promise<ProofVerdict> {
  const proofs = new SignedCreations();
  for (const account of accounts) proofs.learn(asMessage(account));
  return proofs.prove(contents.map(asMessage));
}

/** The content with another piece in place of its only one. */
function changed(content: Content, change: (piece: Piece) => Partial<Piece>): Content {
  const entries = Object.entries(content.new).map(([key, piece]) => [key, { ...piece, ...change(piece) }]);
  return { ...content, new: Object.fromEntries(entries) };
}

describe("content as cojson makes it", () => {
  test("of an account proves itself", async () => {
    expect(await verdictOn([v.account], [])).toEqual({ kind: "proven" });
  });

  test("of a group is proven by the account that made it, and names that while it is unknown", async () => {
    expect(await verdictOn([v.group])).toEqual({ kind: "proven" });
    const verdict = await verdictOn([v.group], [v.other]);
    expect(verdict).toEqual({ kind: "needs-account", account: v.account.id });
  });

  test("of a value without a group is proven by whoever wrote first", async () => {
    expect(await verdictOn([v.open])).toEqual({ kind: "proven" });
  });

  test("proves itself also when the transactions come behind the header", async () => {
    const { header, ...transactions } = v.group;
    const bare = { ...v.group, header, new: {} };
    expect(await verdictOn([bare])).toEqual({ kind: "incomplete" });
    expect(await verdictOn([bare, transactions])).toEqual({ kind: "proven" });
  });
});

describe("content that proves nothing", () => {
  test.each([
    [
      "a changed transaction",
      (piece: Piece) => ({ newTransactions: piece.newTransactions.map((tx) => ({ ...tx, madeAt: 1 })) }),
    ],
    ["one transaction less", (piece: Piece) => ({ newTransactions: piece.newTransactions.slice(1) })],
    [
      "one that is no object",
      (piece: Piece) => ({ newTransactions: [...piece.newTransactions, 7] as never }),
    ],
    [
      "another's signature",
      () => ({ lastSignature: Object.values(v.otherGroup.new)[0]?.lastSignature ?? "" }),
    ],
    ["a signature that is none", () => ({ lastSignature: "signature_z1" })],
    [
      "a signature that is too long to be read",
      () => ({ lastSignature: `signature_z${"2".repeat(100_000)}` }),
    ],
  ])("with %s is wrong", async (_, change) => {
    const verdict = await verdictOn([changed(v.group, change)]);
    expect(verdict).toMatchObject({ kind: "wrong", error: { code: "unproven" } });
  });

  test("by an account that is not the initial admin, or with the beginning left out, is incomplete", async () => {
    expect(await verdictOn([{ ...v.group, new: v.otherGroup.new }])).toEqual({ kind: "incomplete" });
    expect(await verdictOn([changed(v.group, () => ({ after: 1 }))])).toEqual({ kind: "incomplete" });
    expect(await verdictOn([changed(v.group, () => ({ newTransactions: [] }))])).toEqual({
      kind: "incomplete",
    });
  });

  test("by an agent whose keys are none is wrong, without reaching the crypto", async () => {
    const agent = "sealer_z1/signer_z1";
    const piece = Object.values(v.open.new)[0];
    const verdict = await verdictOn([{ ...v.open, new: { [`${agent}_session_z1`]: piece } }]);
    expect(verdict).toMatchObject({ kind: "wrong", error: { code: "unproven" } });
  });

  test("that is longer than a group's first content can be is wrong before it is read", async () => {
    const padded = { ...v.group, pad: "x".repeat(LIMITS.proofChars) };
    expect(await verdictOn([padded])).toMatchObject({ kind: "wrong" });
  });
});
