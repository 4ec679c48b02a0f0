import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildDemo } from "../../demo/build.ts";
import { describeDemo } from "../demo/demo-suite.ts";
import { startTestStack } from "../support/test-stack.ts";

describeDemo("the whole stack", async () => {
  const demoDir = await mkdtemp(join(tmpdir(), "sprite-sync-demo-"));
  await buildDemo(demoDir);
  const stack = await startTestStack({ demoDir });
  return {
    pageUrl: stack.pageUrl,
    async close() {
      await stack.close();
      await rm(demoDir, { recursive: true, force: true });
    },
  };
});
