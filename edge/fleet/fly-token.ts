/**
 * The `Authorization` header for a Fly API token, in the form that fits it (facts/fly-machines §1.1).
 *
 * `fly tokens create` prints a string that starts with `FlyV1 ` and lists macaroons separated by commas: the list is one
 * token and stays whole. Everything that holds no macaroon is an OAuth token.
 */
export function flyAuthorization(token: string): string {
  const bare = token.trim().replace(/^(FlyV1|Bearer)\s+/i, "");
  return /^fm[12][a-z]?_/.test(bare) ? `FlyV1 ${bare}` : `Bearer ${bare}`;
}
