/**
 * The official OTLP exporter of metrics, which tells our log when the collector does not take them. It reads its own standard
 * variables: endpoint, headers, compression, timeout, certificates.
 */
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';

export class PushExporter extends OTLPMetricExporter {
  readonly #onFailure: (error: Error) => void;

  constructor(onFailure: (error: Error) => void) {
    super();
    this.#onFailure = onFailure;
  }

  override export(...[metrics, onResult]: Parameters<OTLPMetricExporter['export']>): void {
    super.export(metrics, (result) => {
      if (result.error !== undefined) this.#onFailure(result.error);
      // Told here; the SDK would tell it to a handler of the whole process.
      onResult({ code: 0 });
    });
  }
}
