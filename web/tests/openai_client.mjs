// Uses a running server through OpenAI's client for Node: openai_client.mjs BASE_URL API_KEY MODEL
import assert from 'node:assert/strict';
import OpenAI from 'openai';

const [baseURL, apiKey, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const messages = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: '今天吃了什么?' },
];
const settings = { model, messages, max_tokens: 20, temperature: 1, seed: 5 };

assert.equal((await client.models.list()).data[0].id, model);

const whole = await client.chat.completions.create({ ...settings, logprobs: true, top_logprobs: 2 });
const said = whole.choices[0].message.content;
assert.equal(whole.choices[0].logprobs.content.length, whole.usage.completion_tokens);

let text = '';
let usage;
for await (const chunk of await client.chat.completions.create({
  ...settings,
  stream: true,
  stream_options: { include_usage: true },
})) {
  text += chunk.choices[0]?.delta.content ?? '';
  usage = chunk.usage ?? usage;
}
assert.equal(text, said);
assert.equal(usage.completion_tokens, whole.usage.completion_tokens);

const completion = await client.completions.create({ model, prompt: 'the cat', max_tokens: 5, temperature: 0 });
assert.equal(completion.object, 'text_completion');

const response = await client.responses.create({ model, input: 'the cat', max_output_tokens: 9, temperature: 0 });
assert.ok(response.output_text.length > 0);

const city = { type: 'object', properties: { city: { enum: ['Ulm', '杭州'] } }, required: ['city'], additionalProperties: false };
const called = await client.chat.completions.create({
  ...settings,
  max_tokens: 600,
  tools: [{ type: 'function', function: { name: 'weather', parameters: city } }],
  tool_choice: { type: 'function', function: { name: 'weather' } },
});
if (called.choices[0].finish_reason !== 'length') {
  const call = called.choices[0].message.tool_calls[0].function;
  assert.equal(call.name, 'weather');
  assert.ok(['Ulm', '杭州'].includes(JSON.parse(call.arguments).city));
}

await assert.rejects(client.chat.completions.create({ ...settings, temperature: 9 }), (error) => {
  assert.ok(error instanceof OpenAI.BadRequestError);
  assert.equal(error.param, 'temperature');
  return true;
});
await assert.rejects(
  new OpenAI({ baseURL, apiKey: 'wrong', maxRetries: 0 }).models.list(),
  (error) => error instanceof OpenAI.AuthenticationError,
);

// Leaving early is no error of the server's.
const stream = await client.chat.completions.create({ ...settings, max_tokens: 1000, stream: true });
for await (const chunk of stream) {
  if (chunk.choices[0]?.delta.content) break;
}
assert.equal((await client.chat.completions.create(settings)).choices[0].message.content, said);
console.log('ok');
