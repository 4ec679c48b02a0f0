import type { RawAccount, RawCoMap } from "cojson";
import { InboxSender } from "jazz-tools";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PLACEMENT_POLICIES } from "../../shared/placement.ts";
import { newJazzAccount } from "../support/new-jazz-account.ts";
import { startTestStack, type TestStack } from "../support/test-stack.ts";

describe.each(PLACEMENT_POLICIES)(
  "an account that is read while its Sprite is created, placed by %s",
  (placement) => {
    let stack: TestStack;
    let reader: Awaited<ReturnType<typeof newJazzAccount>>;

    beforeAll(async () => {
      stack = await startTestStack({ placement });
      reader = await newJazzAccount(stack.syncUrl, "reader");
      await reader.account.$jazz.waitForAllCoValuesSync();
    });
    afterAll(async () => {
      await reader?.close();
      await stack?.close();
    });

    test.each([1, 2, 3])("is there with its profile and inbox, or not at all (%i)", async () => {
      const { account, close } = await newJazzAccount(stack.syncUrl, "new");
      const id = account.$jazz.id;
      // What Jazz's own sender does: it gives up at once if anything of it is missing.
      const sending = InboxSender.load(id, reader.account);
      const seen = await reader.node.load<RawAccount>(id as never);
      if (seen === "unavailable") throw new Error("the account is unavailable");
      const profileId = seen.get("profile");
      expect(profileId).toBeDefined();
      const profile = await reader.node.load<RawCoMap>(profileId as never);
      if (profile === "unavailable") throw new Error("the profile is unavailable");
      expect(profile.get("name")).toBe("new");
      expect(profile.get("inboxInvite")).toBeDefined();
      await sending;
      await close();
    });
  },
);
