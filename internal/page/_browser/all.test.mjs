// All tests, in one process: they share the server and the browser.
import { after } from 'node:test';
import { close } from './setup.mjs';
import './matrix.test.mjs';
import './polling.test.mjs';
import './host.test.mjs';
import './report.test.mjs';

after(close);
