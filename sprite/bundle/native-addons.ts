import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname } from "node:path";
import type { Plugin } from "esbuild";

const require = createRequire(import.meta.url);

/** The modules that look for their package's native part: first in a dozen places, with a thousand file system calls. */
const LOOKUPS =
  /[\\/]node_modules[\\/](?:cojson-core-napi[\\/]index|(?:fs-native-extensions|quickbit-native|rocksdb-native|simdle-native|sodium-native)[\\/]binding)\.js$/;

/**
 * Finds native parts while bundling instead of at each start: the bundle expects them beside it. It is therefore for the
 * platform that it was built on.
 * @param found gets the native parts: the names that the bundle expects, which tell contents apart, and where they are now.
 */
export function nativeAddons(found: Map<string, string>): Plugin {
  return {
    name: "native-addons",
    setup(build) {
      build.onLoad({ filter: LOOKUPS }, ({ path }) => {
        const addon = addonOf(path);
        if (addon === undefined) {
          const what = `there is no native build for ${process.platform} ${process.arch}`;
          return { contents: `throw new Error(${JSON.stringify(what)});` };
        }
        const name = nameByContent(addon);
        found.set(name, addon);
        return { contents: `module.exports = require("./${name}");`, resolveDir: dirname(path) };
      });
      build.onResolve({ filter: /^\.\/[^/]+\.node$/ }, ({ path }) =>
        found.has(basename(path)) ? { path, external: true } : undefined,
      );
    },
  };
}

/** The file that a package's own look-up loads here, found by letting it; `undefined` when there is none for this platform. */
function addonOf(lookup: string): string | undefined {
  try {
    require(lookup);
  } catch {
    // cojson has crypto that needs no native build. Whatever cannot do without says so when the bundle is tried.
    return undefined;
  }
  // In the package itself, or in a package for the platform that is named after it.
  const [beginning] = /^.*[\\/]node_modules[\\/][^\\/]+/.exec(lookup) ?? [];
  return Object.keys(require.cache).find(
    (file) => file.endsWith(".node") && beginning !== undefined && file.startsWith(beginning),
  );
}

function nameByContent(file: string): string {
  const hash = createHash("sha256").update(readFileSync(file)).digest("hex").slice(0, 8).toUpperCase();
  return `${basename(file, ".node")}-${hash}.node`;
}
