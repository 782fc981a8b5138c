// Shows of the tests what a person wants to read, and appends "PASSED FAILED" to the file that GPREACH_TALLY names.
import { appendFileSync } from 'node:fs';
import { basename } from 'node:path';

/** @param {AsyncIterable<{type: string, data: any}>} events */
export default async function* tally(events) {
  let passed = 0;
  let failed = 0;
  for await (const { type, data } of events) {
    if (type === 'test:diagnostic' && !/^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /.test(data.message)) yield `  ${data.message}\n`;
    if (type === 'test:stderr') yield data.message;
    const file = /\.test\.mjs$/.test(data?.name ?? '') && data.nesting === 0; // no test: what stands for all of a file's
    if (type === 'test:pass' && !file) passed++;
    if (type === 'test:fail') {
      if (!file || !failed) failed++; // a file may also fail by itself
      const error = data.details.error?.cause ?? data.details.error;
      yield `FAILED: ${data.name} (${basename(data.file ?? '')}:${data.line})\n${error?.stack ?? error}\n`;
    }
  }
  if (process.env.GPREACH_TALLY) appendFileSync(process.env.GPREACH_TALLY, `${passed} ${failed}\n`);
  yield `${passed} passed, ${failed} failed\n`;
}
