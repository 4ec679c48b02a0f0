import packageJson from "../package.json" with { type: "json" };

/** The program's version, and what it was installed with: as semantic versions name builds. */
export function versionOf(setup: string | undefined): string {
  return setup === undefined ? packageJson.version : `${packageJson.version}+${setup}`;
}
