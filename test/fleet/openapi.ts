import { readFileSync } from "node:fs";
import { Ajv, type ValidateFunction } from "ajv";
import type { ApiExchange } from "../../dev/fleet/index.ts";

interface Operation {
  readonly operationId?: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: object }[];
  readonly requestBody?: { readonly required?: boolean; readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>;
}
type Content = Readonly<Record<string, { readonly schema: object }>>;

/** What newer versions of the document know and this one does not yet (facts/fly-machines, "S+"). */
const NEWER_QUERY = /^(limit|cursor|metadata\.[a-z_]+)$/;
const ERROR_SCHEMA = { $ref: "#/components/schemas/ErrorResponse" };

/**
 * Checks calls of the Machines API and their answers against Fly's OpenAPI document.
 *
 * The document requires no field and forbids none, so as it stands it would accept `{}` and every typing error. Here a field
 * it does not name is a violation.
 */
export function loadOpenApi(): { violations(exchange: ApiExchange): string[] } {
  const path = new URL("../fixtures/fly/fly-machines-openapi.json", import.meta.url);
  const document = close(JSON.parse(readFileSync(path, "utf8"))) as {
    paths: Record<string, Record<string, Operation>>;
    components: object;
  };
  const ajv = new Ajv({ strict: false, allErrors: true, coerceTypes: false });
  ajv.addSchema({ $id: "fly", components: document.components });
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
  const compiled = new Map<object, ValidateFunction>();

  function check(what: string, schema: object | undefined, value: unknown): string[] {
    if (!schema) return [];
    let validate = compiled.get(schema);
    if (!validate) {
      validate = ajv.compile(
        JSON.parse(JSON.stringify(schema).replaceAll('"#/components', '"fly#/components')),
      );
      compiled.set(schema, validate);
    }
    if (validate(value)) return [];
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) => `${what}${instancePath} ${message} ${JSON.stringify(params)}`,
    );
  }

  return {
    violations({ operation: id, method, query, body, answer }) {
      const what = `${method} ${id}`;
      const operation = operations.find(({ operationId }) => operationId === id);
      if (!operation) return [`${what} is not in the document`];
      const json = (content: Content | undefined) => content?.["application/json"]?.schema;
      const found = Object.entries(query).flatMap(([name, value]) => {
        const parameter = operation.parameters?.find((known) => known.in === "query" && known.name === name);
        if (parameter) return check(`${what} ?${name}`, parameter.schema, typed(value, parameter.schema));
        return NEWER_QUERY.test(name) ? [] : [`${what} ?${name} is not in the document`];
      });
      const request = operation.requestBody;
      if (body !== undefined && !request) found.push(`${what} has no body in the document`);
      if (body !== undefined || request?.required)
        found.push(...check(`${what} request`, json(request?.content), body));
      const isOk = answer.status < 300;
      if (isOk && !operation.responses[answer.status]) found.push(`${what} never answers ${answer.status}`);
      const schema = isOk ? json(operation.responses[answer.status]?.content) : ERROR_SCHEMA;
      // Over the wire, `undefined` fields do not exist.
      const sent = answer.body === undefined ? undefined : JSON.parse(JSON.stringify(answer.body));
      return [...found, ...check(`${what} ${answer.status}`, schema, sent)];
    },
  };
}

/** A query parameter's text as the type its schema names. */
function typed(value: string, schema: object): unknown {
  const type = (schema as { type?: string }).type;
  if (type === "integer") return Number(value);
  return type === "boolean" ? value === "true" || (value === "false" ? false : value) : value;
}

/** Forbids fields that a schema with `properties` does not name. */
function close(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(close);
  if (typeof value !== "object" || value === null) return value;
  const closed = Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, close(inner)]));
  const isSchema = closed.type === "object" && typeof closed.properties === "object";
  return isSchema && closed.additionalProperties === undefined
    ? { ...closed, additionalProperties: false }
    : closed;
}
