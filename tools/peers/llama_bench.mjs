// Speed and memory of llama.cpp (npm package node-llama-cpp) on one GGUF, as one JSON line.
// usage: node llama_bench.mjs MODEL.gguf THREADS N_PROMPT N_GENERATE
// The prompt is evaluated without sampling; each generated token is the most probable one, chosen by llama.cpp.
import { readFileSync } from "node:fs";
import { getLlama } from "node-llama-cpp";

const [path, threads, nPrompt, nGenerate] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const seconds = () => Number(process.hrtime.bigint()) / 1e9;
const start = seconds();
const llama = await getLlama({ gpu: false, build: "never", skipDownload: true, maxThreads: threads, logLevel: "error" });
const model = await llama.loadModel({ modelPath: path });
const context = await model.createContext({ contextSize: nPrompt + nGenerate + 64, batchSize: 512, threads, sequences: 1 });
const sequence = context.getSequence();
let state = 1;
const random = () => (state = (state * 1103515245 + 12345) % 2147483648) % 260000 + 1000;
const generate = async (first, n) => {
  let count = 0;
  for await (const _ of sequence.evaluate([first], { temperature: 0, yieldEogToken: true })) if (++count === n) break;
};
await generate(2, 1);
const firstToken = seconds() - start;
await generate(random(), 4); // warm
await sequence.clearHistory();
const prompt = Array.from({ length: nPrompt }, random);
let at = seconds();
if (nPrompt > 0) await sequence.evaluateWithoutGeneratingNewTokens(prompt);
const promptSeconds = seconds() - at;
at = seconds();
if (nGenerate > 0) await generate(random(), nGenerate);
const generateSeconds = seconds() - at;
const status = readFileSync("/proc/self/status", "utf8");
process.stdout.write(
  JSON.stringify({
    prompt_tokens_per_second: nPrompt / promptSeconds,
    generated_tokens_per_second: nGenerate / generateSeconds,
    first_token_seconds: firstToken,
    peak_rss_bytes: Number(/VmHWM:\s+(\d+) kB/.exec(status)[1]) * 1024,
  }) + "\n",
);
process.exit(0);
