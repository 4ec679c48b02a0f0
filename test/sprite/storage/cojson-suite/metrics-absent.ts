/**
 * Stands for `@opentelemetry/sdk-metrics`, which is no dependency here: cojson's test utilities make a reader of its
 * metrics in some suites. Nothing is measured; the few tests about metrics are excluded in selection.ts.
 */
export const AggregationTemporality = { CUMULATIVE: 1 };

export class InMemoryMetricExporter {
  reset(): void {}
}

export class MetricReader {
  shutdown(): void {}
}

export class MeterProvider {
  getMeter() {
    const instrument = { add() {}, record() {}, addCallback() {} };
    return new Proxy({}, { get: () => () => instrument });
  }
}
