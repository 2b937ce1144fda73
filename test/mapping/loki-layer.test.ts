import { describe, expect, it } from 'vitest';
import { createMapper } from '../../src/mapping/index.ts';
import { loadMapping } from '../../src/mapping/mapping-file.ts';
import { type OtlpKeyValue, recordsOf } from '../support/otlp-decode.ts';
import { fc } from '../support/property-tests.ts';
import { identifiedLine } from '../support/sample-lines.ts';

const layers = ['databricks-audit', 'loki'];
const mapper = createMapper({ layers, redact: ['secrets'], resourceAttributes: {} });

describe('with the layer for Loki', () => {
  it('no two attributes have the same name in Loki, and none looks like a request parameter', () => {
    const { attributes, resource, scopeAttributes, limits } = loadMapping(layers, '.');
    const flags = [...attributes.values()].flat().flatMap(({ flag }) => flag ?? []);
    const targets = [...attributes.keys(), ...resource.keys(), ...scopeAttributes.keys(), ...flags, limits.flag];
    const names = targets.map(lokiName);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => name.startsWith('databricks_request_params_'))).toEqual([]);
  });

  it('every request parameter has a name of its own in Loki', () => {
    const name = fc.string({
      unit: fc.constantFrom('a', 'b', '.', '_', '-', '2', '\u{1f600}', '\ud800'),
      maxLength: 5,
    });
    const leaf = fc.oneof(fc.integer(), fc.constant('x'), fc.constant([{ 'a.b': 1 }]));
    const { params } = fc.letrec<{ params: Record<string, unknown>; value: unknown }>((tie) => ({
      params: fc.dictionary(name, tie('value'), { maxKeys: 6 }),
      value: fc.oneof({ depthSize: 'small' }, leaf, leaf, tie('params')),
    }));
    fc.assert(
      fc.property(params, (requestParams) => {
        const names = flatNames('params', paramsOf(requestParams));
        expect(new Set(names).size, names.join(' ')).toBe(names.length);
      }),
    );
  });
});

function paramsOf(requestParams: object): readonly OtlpKeyValue[] {
  const line = identifiedLine(JSON.stringify({ timestamp: 1_759_795_200_000, requestParams }));
  const [{ record } = { record: undefined }] = recordsOf(JSON.parse(mapper.toJsonLine(line)));
  const params = record?.attributes.find(({ key }) => key === 'databricks.request.params');
  return params?.value.kvlistValue?.values ?? [];
}

function flatNames(prefix: string, values: readonly OtlpKeyValue[]): string[] {
  return values.flatMap(({ key, value }) => {
    const name = lokiName(`${prefix}_${key}`);
    return value.kvlistValue === undefined ? [name] : flatNames(name, value.kvlistValue.values ?? []);
  });
}

/** As in Loki: pkg/loghttp/push/otlp.go, attributeToLabels, by LabelNamer of github.com/prometheus/otlptranslator. */
function lokiName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_]/g, '_').replaceAll(/_+/g, '_');
}
