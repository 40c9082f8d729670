// Sends three lines with one of the loggers of Node, and ends when the server has them:
// node send.mjs ⟨pino|winston⟩ ⟨url⟩ ⟨user:password⟩ ⟨tenant⟩ [json]

import { createRequire } from "node:module";

const [, , client, host, account, tenant, form] = process.argv;
const [username, password] = account.split(":");
const headers = { "X-Scope-OrgID": tenant };
const require = createRequire(import.meta.url);

async function sendWithPino() {
  const { pino } = require("pino");
  const transport = pino.transport({
    target: "pino-loki",
    options: {
      host,
      headers,
      basicAuth: { username, password },
      labels: { application: "shop" },
      propsToLabels: ["area"],
      batching: { interval: 1 },
      structuredMetaKey: "meta",
    },
  });
  const logger = pino(transport);
  logger.info({ area: "cart", meta: { trace_id: "0af7651916cd43dd" } }, "cart opened");
  logger.warn({ area: "cart" }, "cart of ann is slow");
  logger.error({ area: "pay", code: 17 }, 'two\nlines "quoted" \u2603');
  // The transport runs in a thread that keeps nobody waiting.
  const awake = setInterval(() => {}, 1000);
  await new Promise((resolve) => {
    transport.on("close", resolve);
    transport.end();
  });
  clearInterval(awake);
}

async function sendWithWinston() {
  const winston = require("winston");
  const LokiTransport = require("winston-loki");
  const transport = new LokiTransport({
    host,
    headers,
    basicAuth: account,
    labels: { application: "shop" },
    json: form === "json",
    interval: 1,
    format: winston.format.json(),
    gracefulShutdown: false,
    onConnectionError: (error) => {
      console.error(error);
      process.exitCode = 1;
    },
  });
  const logger = winston.createLogger({ transports: [transport] });
  logger.info("cart opened");
  logger.warn("cart of ann is slow", { labels: { area: "cart" } });
  logger.error('two\nlines "quoted" \u2603', { labels: { area: "pay" } });
  await new Promise((resolve) => setImmediate(resolve));
  await transport.flush();
  process.exit();
}

await (client === "pino" ? sendWithPino() : sendWithWinston());
