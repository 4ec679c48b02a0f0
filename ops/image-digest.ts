import { SpriteSyncError } from "../shared/errors.ts";

const TIMEOUT_MS = 20_000;
const MANIFESTS = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

/** What `flyctl deploy --build-only --push` says that it has pushed (facts/fly-machines §4). */
export interface Pushed {
  /** `registry.fly.io/<app>:<label>` */
  readonly image: string;
  /** `sha256:…`, when the builder printed it. */
  readonly digest: string | undefined;
}

/**
 * Finds the image, and its digest, in flyctl's output.
 * @throws SpriteSyncError `transient` when there is none.
 */
export function readPushed(output: string, app: string): Pushed {
  // Colours: flyctl draws them wherever it likes.
  const text = output.replaceAll(new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g"), "");
  const name = `registry\\.fly\\.io/${app}:[\\w.-]+`;
  const [, image] = new RegExp(`^\\s*image:\\s*(${name})`, "m").exec(text) ?? [];
  if (!image) {
    throw new SpriteSyncError("transient", `flyctl named no image of ${app} that it pushed; see its output`);
  }
  const pushed = new RegExp(`${image.replaceAll(".", "\\.")}@(sha256:[0-9a-f]{64})`).exec(text);
  return { image, digest: pushed?.[1] };
}

/**
 * Asks the registry for the digest of an image (OCI distribution, `HEAD …/manifests/<tag>`).
 * @param token a token of Fly.io; the registry takes it as a password.
 * @throws SpriteSyncError `auth` or `transient`
 */
export async function askDigest(image: string, token: string, registry: string): Promise<string> {
  const [, repository, tag] = /^[^/]+\/([^:]+):(.+)$/.exec(image) ?? [];
  const response = await fetch(`${registry}/v2/${repository}/manifests/${tag}`, {
    method: "HEAD",
    headers: {
      accept: MANIFESTS,
      authorization: `Basic ${Buffer.from(`x:${token}`).toString("base64")}`,
    },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const digest = response.headers.get("docker-content-digest") ?? "";
  if (response.ok && /^sha256:[0-9a-f]{64}$/.test(digest)) return digest;
  const code = response.status === 401 || response.status === 403 ? "auth" : "transient";
  throw new SpriteSyncError(
    code,
    `the registry answered ${response.status} for ${image}; find its digest with \`docker buildx imagetools inspect ${image}\``,
  );
}

/** The image by its digest alone: the tag may move, this cannot. */
export function pinned({ image }: Pushed, digest: string): string {
  return `${image.slice(0, image.lastIndexOf(":"))}@${digest}`;
}
