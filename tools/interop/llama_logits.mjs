// The next-token distribution of llama.cpp at every position of a token sequence, as JSON lines {"token", "top", "logprobs"}.
// usage: node llama_logits.mjs MODEL.gguf IDS.txt     (IDS: token ids, <bos> included; needs: npm install node-llama-cpp)
import { readFileSync } from "node:fs";
import { getLlama } from "node-llama-cpp";

const [path, idsPath] = process.argv.slice(2);
const ids = readFileSync(idsPath, "utf8").trim().split(/\s+/).map(Number);
const llama = await getLlama({ gpu: false, build: "never", skipDownload: true });
const model = await llama.loadModel({ modelPath: path });
const context = await model.createContext({ contextSize: ids.length + 8, sequences: 1 });
const results = await context
  .getSequence()
  .controlledEvaluate(ids.map((id) => [id, { generateNext: { token: true, probabilities: true } }]));
results.forEach((result, i) => {
  const logprobs = new Array(result.next.probabilities.size);
  for (const [id, p] of result.next.probabilities) logprobs[id] = Math.log(p);
  process.stdout.write(JSON.stringify({ token: ids[i], top: result.next.token, logprobs }) + "\n");
});
process.exit(0);
