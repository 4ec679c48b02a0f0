import { createRequire } from "node:module";
import { dirname } from "node:path";
import type { Plugin } from "esbuild";

const require = createRequire(import.meta.url);

/** The modules that look for their package's native part: first in a dozen places, with a thousand file system calls. */
const LOOKUPS =
  /[\\/]node_modules[\\/](?:cojson-core-napi[\\/]index|(?:fs-native-extensions|quickbit-native|rocksdb-native|simdle-native|sodium-native)[\\/]binding)\.js$/;

/**
 * Finds native parts while bundling instead of at each start: they are copied beside the bundle, which names them. A bundle
 * is therefore for the platform that it was built on.
 */
export const nativeAddons: Plugin = {
  name: "native-addons",
  setup(build) {
    build.onLoad({ filter: LOOKUPS }, ({ path }) => {
      const addon = addonOf(path);
      const contents =
        addon === undefined
          ? `throw new Error(${JSON.stringify(`there is no native build for ${process.platform} ${process.arch}`)});`
          : `module.exports = require(${JSON.stringify(addon)});`;
      return { contents, resolveDir: dirname(path) };
    });
  },
};

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
