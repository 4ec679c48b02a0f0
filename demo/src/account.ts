import { cojsonInternals } from "cojson";
import { AuthSecretStorage, KvStoreContext } from "jazz-tools";
import { createJazzBrowserContext, LocalStorageKVStore } from "jazz-tools/browser";
import { Connection } from "./connection.ts";
import { DemoAccount, type Me } from "./schema.ts";
import { listenToSockets, Sprites } from "./sprites.ts";
import { syncAddress } from "./sync-address.ts";

/** An open account: who uses the page, and how its link to the server is doing. */
export interface OpenAccount {
  readonly me: Me;
  readonly connection: Connection;
  readonly sprites: Sprites;
}

/**
 * When cojson asks once more for what no server had (ms; its own is 3,000). Soon, so that people hear in time that a list is
 * missing; a list that is saved later still appears by itself.
 */
const ASK_AGAIN_MS = 1_000;

let credentials: AuthSecretStorage | undefined;

function credentialStore(): AuthSecretStorage {
  if (!credentials) {
    KvStoreContext.getInstance().initialize(new LocalStorageKVStore());
    credentials = new AuthSecretStorage();
  }
  return credentials;
}

/** Whether this browser profile has an account already; its keys are in localStorage, where jazz-tools keeps them. */
export async function hasAccount(): Promise<boolean> {
  return (await credentialStore().get()) !== null;
}

/** Calls back once when another window of this profile has made the account. */
export function onAccountMadeElsewhere(callback: () => void): () => void {
  const key = credentialStore().getStorageKey();
  const listener = (event: StorageEvent) => {
    if (event.key === key && event.newValue) callback();
  };
  window.addEventListener("storage", listener);
  return () => window.removeEventListener("storage", listener);
}

/** Drops the keys. What the account has stored on servers stays there, unreadable. */
export async function forgetAccount(): Promise<void> {
  await credentialStore().clear();
}

/**
 * Opens the account of this browser profile, or makes one called `name`. Needs no connection unless the browser has
 * lost its own copy of the account.
 */
export async function openAccount(name?: string): Promise<OpenAccount> {
  cojsonInternals.setCoValueLoadingRetryDelay(ASK_AGAIN_MS);
  const sprites = new Sprites();
  listenToSockets(window, sprites);
  const context = await createJazzBrowserContext({
    AccountSchema: DemoAccount,
    authSecretStorage: credentialStore(),
    defaultProfileName: name ?? "Somebody",
    storage: "indexedDB",
    sync: { peer: syncAddress(location.href) },
  });
  const connection = new Connection(context);
  const me = await context.me.$jazz.ensureLoaded({ resolve: { profile: true, root: { lists: true } } });
  return { me, connection, sprites };
}
